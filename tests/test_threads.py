"""The threads of a run: begun when one is needed, and waited for only then."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from runner.threads import Loop, Threads


def loop() -> asyncio.Runner:
    return asyncio.Runner(loop_factory=lambda: Loop(Threads(2, "call")))


def test_a_loop_that_needed_no_thread_ends_without_one(monkeypatch: pytest.MonkeyPatch):
    started: list[threading.Thread] = []
    start = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", lambda thread: started.append(thread) or start(thread))
    with loop() as runner:
        runner.run(asyncio.sleep(0))

    assert started == []


def test_a_thread_that_still_works_when_the_loop_ends_is_waited_for():
    done: list[str] = []

    async def begin() -> None:
        asyncio.get_running_loop().run_in_executor(None, lambda: time.sleep(0.05) or done.append("done"))

    with loop() as runner:
        runner.run(begin())

    assert done == ["done"]
