"""What a run left, for comparing it with what its replay left: all but what may differ, which is named here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

OF_A_RUN: Final = {"mode", "started", "duration_ms", "clients", "cost_usd"}
OF_A_STEP: Final = {"source", "started", "duration_ms", "cost_usd"}
"""What may differ, by its name: times, the mode and where answers come from, what that cost, and how many clients it
took."""

OF_THE_SUMMARY: Final = (
    (r"\| [^|]+ (\| [\d,]+ \| [\d,]+ \| [^|]* \| \d+) \| (?:live|tape) \|", r"| TIME \1 | SOURCE |"),
    (r"\*\*Time\*\* [^·]+ ·", "**Time** ·"),
    (r"\*\*Clients\*\* .*", "**Clients**"),
    (r"^- \*\*Cost\*\* .*", "- **Cost**"),
    (r"\n\n### Recordings: (?s:.*?)(?=\n\n\| step \| agent )", ""),
    (r"(:(?:active|crit|done)), \d+, \d+$", r"\1"),
)
"""Cells and lines of the same, and the review, which a replay has none of."""


def results(found: dict[str, Any]) -> dict[str, Any]:
    """What results.json says."""
    steps = [{name: one for name, one in step.items() if name not in OF_A_STEP} for step in found["steps"]]
    return {name: one for name, one in found.items() if name not in OF_A_RUN} | {"steps": steps}


def summary(text: str) -> str:
    for pattern, instead in OF_THE_SUMMARY:
        text = re.sub(pattern, instead, text, flags=re.MULTILINE)
    return text


def artifacts(directory: Path) -> dict[str, str]:
    """The files that a workflow wrote, by their names."""
    own = ("results.json", "summary.md", "review.", "trace-", "tape")
    files = {path.relative_to(directory).as_posix(): path for path in directory.rglob("*") if path.is_file()}
    return {name: path.read_text() for name, path in files.items() if not name.startswith(own)}
