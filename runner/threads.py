"""The threads of a run: for what would keep its event loop busy, and left behind where it does not come back; and the
loop that has them."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

LEAVING_S: Final = 0.5
"""How long what still works when the run has ended is waited for: a name that is being looked up, a file."""


class Threads(ThreadPoolExecutor):
    """An executor whose end is not held by one of its threads. The loop waits for it before it gives a result back."""

    used = False

    def submit(self, *args: Any, **kwargs: Any) -> Future[Any]:
        self.used = True
        return super().submit(*args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        super().shutdown(wait=False, cancel_futures=cancel_futures)
        if wait:
            waiting = threading.Thread(target=super().shutdown, daemon=True)
            waiting.start()
            waiting.join(LEAVING_S)


class Loop(asyncio.SelectorEventLoop):
    """A loop whose executor is `threads`. At its end it starts no thread to wait for them where none was used."""

    def __init__(self, threads: Threads) -> None:
        super().__init__()
        self._threads = threads
        self.set_default_executor(threads)

    async def shutdown_default_executor(self, *timeout: Any) -> None:
        if self._threads.used:
            await super().shutdown_default_executor(*timeout)
