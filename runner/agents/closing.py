"""Closing several things: all of them, at once, whichever of them refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable


async def all_closed(*closing: Awaitable[None]) -> None:
    """Wait until everything has been closed or has failed to. Raises an ExceptionGroup of what went wrong."""
    ends = await asyncio.gather(*closing, return_exceptions=True)
    if failures := [end for end in ends if isinstance(end, Exception)]:
        raise ExceptionGroup("not everything could be closed", failures)
