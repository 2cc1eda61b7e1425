"""An address at which nobody accepts a connection, and nobody refuses one."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress


@contextmanager
def deaf(until_s: float | None = None) -> Iterator[str]:
    """A host whose kernel has more connections waiting than it was told to keep, and drops what else comes. From
    `until_s` on there is room for others; none is ever answered."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        waiting = [stack.enter_context(socket.socket()) for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(listening.getsockname())
        listening.setblocking(False)

        def make_room() -> None:
            for one in waiting:
                one.close()
            with suppress(BlockingIOError):
                while True:
                    stack.enter_context(listening.accept()[0])

        if until_s is not None:
            timer = threading.Timer(until_s, make_room)
            timer.start()
            stack.callback(timer.join)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
