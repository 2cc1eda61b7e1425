"""What the tools of a run may touch: one directory, a clock, secrets by their names. Nothing else of the world
but connections, which see to it themselves where they may lead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runner.agents.tools.connections import Connections


@dataclass(frozen=True)
class Bench:
    """`closed` are files and directories inside the workspace that are not the tools': the run's own, and secrets.

    `fill` renders what a file says about a tool with the run's secrets; what it gives is never shown or written.
    `scrub` takes those secrets out of a text. With `deny_network` nothing that a tool starts may reach a network.
    """

    workspace: Path
    closed: tuple[Path, ...]
    now: Callable[[], datetime]
    environ: Mapping[str, str] = field(default_factory=dict)
    fill: Callable[[str], str] = lambda text: text
    scrub: Callable[[str], str] = lambda text: text
    deny_network: bool = False

    @cached_property
    def connections(self) -> Connections:
        """Imported and made when a tool first needs them."""
        from runner.agents.tools.connections import Connections

        return Connections(self.environ)

    async def close(self) -> None:
        """Done by the box that has the bench."""
        if "connections" in vars(self):
            await self.connections.close()
