"""What a run left, for comparing it with what another left: everything but times, and what says how it was answered."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

TIMES = frozenset({"started", "duration_ms", "recorded_ms"})
ANSWERED = frozenset({"mode", "source", "clients"})
"""A recording is no client."""


def compared(directory: Path) -> dict[str, Any]:
    """Results and summary of a run by its artifacts directory, and every file that its workflow wrote."""
    own = ("results.json", "summary.md", "trace-", "tape")
    others = (path for path in directory.rglob("*") if path.is_file())
    files = {path.relative_to(directory).as_posix(): path for path in others}
    return {
        "results": without(json.loads((directory / "results.json").read_text())),
        "summary": summary((directory / "summary.md").read_text()),
        "files": {name: path.read_text() for name, path in files.items() if not name.startswith(own)},
    }


def without(results: Any) -> Any:
    """Results without what may differ."""
    match results:
        case dict():
            return {name: without(value) for name, value in results.items() if name not in TIMES | ANSWERED}
        case list():
            return [without(one) for one in results]
    return results


def summary(text: str) -> str:
    """A summary without its durations and its time line, its sources and its clients."""
    text = re.sub(r"```mermaid\ngantt.*?```", "", text, flags=re.DOTALL)
    text = re.sub(r"\b\d+(\.\d+)? (ms|s)\b|\b\d+ min \d\d s\b", "a while", text)
    text = re.sub(r"\| (live|tape|resumed) \|", "| answered |", text)
    return re.sub(r"- \*\*Clients\*\* .*", "", text)
