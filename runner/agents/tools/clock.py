"""The tool `current_time`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runner.agents.tools.bench import Bench
    from runner.agents.tools.tool import Run


def _current_time(bench: Bench) -> Run:
    async def run(_: Mapping[str, Any]) -> str:
        return bench.now().isoformat(timespec="seconds")

    return run


TOOLS: Final[Mapping[str, Callable[[Bench], Run]]] = {"current_time": _current_time}
