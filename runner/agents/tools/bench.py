"""What the tools of a run may touch: one directory, a clock, secrets by their names. Nothing else of the world."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True)
class Bench:
    """`closed` are directories inside the workspace that are not the tools': the run's own files.

    `fill` renders what a file says about a tool with the run's secrets; what it gives is never shown or written.
    """

    workspace: Path
    closed: tuple[Path, ...]
    now: Callable[[], datetime]
    environ: Mapping[str, str] = field(default_factory=dict)
    fill: Callable[[str], str] = lambda text: text
