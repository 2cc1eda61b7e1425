"""Programs that only some tests need: where one is missing they are skipped, and the end of the suite says why."""

from __future__ import annotations

import shutil

import pytest


def needed(program: str) -> None:
    """Skip the test that asks when `program` is not on PATH."""
    if shutil.which(program) is None:
        pytest.skip(f"needs {program}, which is not installed here")
