"""Pictures of a run in Mermaid: when each step ran, and what waited for what. Pure; labels are made harmless."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from runner.invisible import shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runner.report.results import StepResult

MOST: Final = 60
"""Steps a picture shows; beyond that it tells nobody anything, and Mermaid refuses large ones."""

MAX_LABEL: Final = 100  # characters

MOST_EDGES: Final = 400  # Mermaid refuses a picture with more than 500

_GANTT: Final = {
    "success": "active, ",
    "failed": "crit, ",
    "cancelled": "done, ",
    "skipped": "done, ",
    "paused": "done, ",
}
_COLOURS: Final = (
    "classDef success fill:#dafbe1,stroke:#1a7f37,color:#1f2328",
    "classDef failed fill:#ffebe9,stroke:#cf222e,color:#1f2328",
    "classDef cancelled fill:#fff8c5,stroke:#9a6700,color:#1f2328",
    "classDef skipped fill:#f6f8fa,stroke:#818b98,color:#1f2328",
    "classDef paused fill:#ddf4ff,stroke:#0969da,color:#1f2328",
)


def gantt(steps: Sequence[StepResult]) -> str:
    """The time line, in milliseconds from the first start."""
    ran = [step for step in steps if step.started is not None][:MOST]
    starts = [step.started for step in ran if step.started is not None]
    if not starts:
        return ""
    zero = min(starts)
    lines = ["gantt", "    dateFormat x", "    axisFormat %M:%S"]
    for step in ran:
        assert step.started is not None
        begin = round((step.started - zero).total_seconds() * 1000)
        lines.append(f"    {_label(step.path)} :{_GANTT[step.status]}{begin}, {begin + max(1, step.duration_ms)}")
    return "\n".join(lines)


def flow(steps: Sequence[StepResult], needs: Mapping[str, Sequence[str]]) -> str:
    """The graph of what waits for what."""
    shown = steps[:MOST]
    if not shown:
        return ""
    ids = {step.path: f"s{index}" for index, step in enumerate(shown)}
    lines = ["flowchart LR"]
    lines += [f'    {ids[step.path]}["{_label(step.path)}<br/>{_label(step.asked)}"]:::{step.status}' for step in shown]
    lines += [
        f"    {ids[need]} --> {ids[path]}"
        for path, before in needs.items()
        for need in before
        if path in ids and need in ids
    ][:MOST_EDGES]
    return "\n".join([*lines, *(f"    {colour}" for colour in _COLOURS)])


def _label(text: str) -> str:
    """Identifiers as Mermaid takes them: its own signs (brackets, colons, semicolons, quotes) made plain."""
    beginning = shown(text[:MAX_LABEL])
    return re.sub(r"[^\w .\-]", "_", beginning.replace("[", " ").replace("]", ""))
