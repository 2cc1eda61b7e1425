"""The tool `spec_verify`: what `validate` says of a workflow file, for a model that writes one.

The text is looked at by `verifier`, in a process that is killed at its deadline; files that it names are not read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runner.agents.tools.child import asked
from runner.agents.tools.tool import ToolProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runner.agents.tools.bench import Bench
    from runner.agents.tools.tool import Run

MAX_SPEC: Final = 100_000
VERIFY_S: Final = 10.0


async def verified(text: str) -> str:
    """As JSON: valid, findings (message, line, column, level), name, pattern. Raises ToolProblem."""
    if len(text) > MAX_SPEC:
        raise ToolProblem(f"the file is longer than {MAX_SPEC:,} characters")
    return (await asked("verifier.py", text.encode("utf-8", "replace"), seconds=VERIFY_S)).decode()


def _spec_verify(_: Bench) -> Run:
    async def run(given: Mapping[str, Any]) -> str:
        return await verified(given["spec_content"])

    return run


TOOLS: Final[Mapping[str, Callable[[Bench], Run]]] = {"spec_verify": _spec_verify}
