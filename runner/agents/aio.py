"""aiohttp, imported without the two TLS contexts that it makes at once and nobody here uses.

To read the machine's certificate authorities for them is half of its import, 37 ms of CPU; the run's connections have
a context of their own, made where TLS is asked for. Those two trust nobody, so a use of them by mistake fails.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def _without_authorities() -> Iterator[None]:
    """Contexts that this thread makes read no authorities; another thread's are as ever."""
    here, read = threading.get_ident(), ssl.SSLContext.set_default_verify_paths

    def read_elsewhere(context: ssl.SSLContext) -> None:
        if threading.get_ident() != here:
            read(context)

    ssl.SSLContext.set_default_verify_paths = read_elsewhere  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        del ssl.SSLContext.set_default_verify_paths


with _without_authorities():
    import aiohttp

__all__ = ["aiohttp"]
