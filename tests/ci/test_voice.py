"""The log as a stream that is shared: threads take turns, and while it is quiet only we are listened to."""

from __future__ import annotations

import io
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runner.ci import voice as module
from runner.ci.host import Host
from runner.ci.voice import Voice
from runner.errors import Finding, Location
from runner.log import Log
from runner.main import Patient
from tests.build import NOON
from tests.container.runner_parser import RESUME, parse_log

PAST_EVERY_GUARD = "::error::pwned\n##[add-mask]e\nno end of a line"


class Slow(io.StringIO):
    """A stream that lets others in between any two signs."""

    def write(self, text: str) -> int:
        for sign in text:
            super().write(sign)
            if sign in "a:":
                time.sleep(0)
        return len(text)


def names(stream: io.StringIO) -> list[str]:
    return [found.name for found in parse_log(stream.getvalue())]


def test_while_it_is_quiet_the_host_takes_no_command() -> None:
    stream = io.StringIO()
    with Voice(stream).quiet():
        stream.write(PAST_EVERY_GUARD)
    stop, resume = parse_log(stream.getvalue())
    assert (stop.name, resume.name) == ("stop-commands", RESUME)
    assert len(stop.data) == 32


def test_our_own_commands_are_heard_all_the_same_each_time_by_another_token() -> None:
    stream = io.StringIO()
    voice = Voice(stream)
    with voice.quiet():
        for number in range(2):
            stream.write(PAST_EVERY_GUARD)
            voice.say([f"::notice::{number}", "::debug::"])
        stream.write(PAST_EVERY_GUARD)
    voice.say(["::notice::last"])
    found = parse_log(stream.getvalue())
    tokens = [one.data for one in found if one.name == "stop-commands"]
    assert len(set(tokens)) == 3
    assert [one.name for one in found] == [
        *("stop-commands", RESUME, "notice", "debug"),
        *("stop-commands", RESUME, "notice", "debug"),
        *("stop-commands", RESUME, "notice"),
    ]


def test_a_mask_is_heard_while_it_is_quiet(tmp_path: Path) -> None:
    stream = io.StringIO()
    host = Host({"GITHUB_ACTIONS": "true"}, tmp_path, Voice(stream))
    with host.quiet():
        host.mask(["hunter22"])
    assert [one.data for one in parse_log(stream.getvalue()) if one.name == "add-mask"] == ["hunter22"]


def test_the_host_listens_again_whatever_ends_it() -> None:
    stream = io.StringIO()
    voice = Voice(stream)
    with pytest.raises(KeyboardInterrupt), voice.quiet():
        raise KeyboardInterrupt
    voice.say(["::notice::a"])
    assert names(stream)[-1] == "notice"


def test_the_host_may_listen_again_before_the_end() -> None:
    stream = io.StringIO()
    voice = Voice(stream)
    with voice.quiet():
        voice.speak()
        voice.say(["::notice::a"])
    assert names(stream) == ["stop-commands", RESUME, "notice"]


def test_without_a_host_nothing_is_stopped(tmp_path: Path) -> None:
    stream = io.StringIO()
    host = Host({}, tmp_path, Voice(stream))
    with host.quiet():
        host.mask(["hunter22"])
        host.speak()
    assert stream.getvalue() == ""


def test_lines_and_commands_of_many_threads_stay_whole(tmp_path: Path) -> None:
    stream = Slow()
    voice = Voice(stream)
    log, host = Log(voice, lambda: NOON, str), Host({"GITHUB_ACTIONS": "true"}, tmp_path, voice)  # type: ignore[arg-type]

    def work(number: int) -> None:
        for _ in range(10):
            log.line("INFO", f"a line of {number}")
            host.annotate([Finding(f"{number}", Location(""))], "a title")

    with host.quiet(), ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(8)))
    said = [found.data for found in parse_log(stream.getvalue()) if found.name == "error"]
    assert sorted(said) == sorted(str(number) for number in range(8) for _ in range(10))
    lines = [line for line in stream.getvalue().splitlines() if "a line" in line]
    assert sorted(lines) == sorted(f"2026-01-02T12:00:00Z INFO a line of {n}" for n in range(8) for _ in range(10))


def test_a_log_that_nobody_reads_holds_only_who_writes_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that ends a run whose log is stuck says so as well, and must not be stuck by it."""
    monkeypatch.setattr(module, "PATIENCE_S", 0.05)
    reader, writer = os.pipe()
    pipe = os.fdopen(writer, "w")
    voice = Voice(Patient(pipe))  # type: ignore[arg-type]
    stuck = threading.Thread(target=voice.write, args=["a" * 1_000_000])
    stuck.start()
    os.read(reader, 1)  # it is at it

    def others() -> None:
        voice.write("a line")
        voice.say(["::notice::a"])
        with voice.quiet():
            pass

    other = threading.Thread(target=others)
    other.start()
    other.join(5)
    held = other.is_alive()
    os.close(reader)
    stuck.join()
    other.join()
    pipe.close()
    assert not held
