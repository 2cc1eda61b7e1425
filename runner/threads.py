"""The threads of a run: for what would keep its event loop busy, and left behind where it does not come back."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

LEAVING_S: Final = 0.5
"""How long what still works when the run has ended is waited for: a name that is being looked up, a file."""


class Threads(ThreadPoolExecutor):
    """An executor whose end is not held by one of its threads. The loop waits for it before it gives a result back."""

    _used = False

    def submit(self, *args: Any, **kwargs: Any) -> Future[Any]:
        self._used = True
        return super().submit(*args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        super().shutdown(wait=False, cancel_futures=cancel_futures)
        if wait and self._used:  # or there is no thread to wait for
            waiting = threading.Thread(target=super().shutdown, daemon=True)
            waiting.start()
            waiting.join(LEAVING_S)
