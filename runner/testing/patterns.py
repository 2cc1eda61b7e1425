"""Regular expressions that end: a test's pattern may backtrack for ever over a model's words."""

from __future__ import annotations

import re
import warnings
from typing import Final

from runner.plan.deadline import bounded

SECONDS: Final = 1.0
"""Seconds that looking for one may take."""


def found_in_all(pattern: str, *texts: str) -> bool:
    """Whether a pattern is found in each of the texts. Raises TimeoutError where that takes too long to tell, and
    ValueError for what is no regular expression."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of patterns that a later Python may read otherwise
            return bounded(SECONDS, TimeoutError, _found, pattern, texts)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{pattern!r} is not a regular expression: {error}") from None


def _found(pattern: str, texts: tuple[str, ...]) -> bool:
    return all(re.search(pattern, text) is not None for text in texts)
