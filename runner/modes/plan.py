"""Printing what would run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from runner.ci.commands import answer
from runner.credentials import unequipped
from runner.errors import UsageError
from runner.intake import plan_of
from runner.plan.shards import jobs
from runner.report.planned import as_json, as_markdown, as_matrix, as_mermaid, as_text

if TYPE_CHECKING:
    from runner.door import Door
    from runner.inputs import ActionInputs
    from runner.plan.plan import Plan


def plan(door: Door, inputs: ActionInputs) -> int:
    """Print the plan of the file that the inputs name. Returns the exit code."""
    found = plan_of(inputs, door.host.workspace, need_values=False)
    door.learn(door.standing.fitted(found))
    found = replace(found, warnings=(*found.warnings, *unequipped(found.steps())))
    matrix = _matrix(found, inputs)
    door.advise(found, inputs)
    writers = {"text": as_text, "json": as_json, "mermaid": as_mermaid}
    text = matrix if inputs.plan_as == "matrix" else writers[inputs.plan_as](found)
    door.stdout.write(answer(door.scrub(text).removesuffix("\n")))
    report = door.unrun(found.name, "plan")
    report = replace(report, config_hash=found.config_hash, shard=found.shard, matrix=matrix.strip())
    door.delivery.unrun(report, "off")
    if inputs.summary != "off":
        door.host.write_summary(as_markdown(found))
    return 0


def _matrix(found: Plan, inputs: ActionInputs) -> str:
    """The plan's shards as a matrix. Where it has none it is empty, unless somebody asked for just that."""
    if inputs.shard is not None:
        return ""
    try:
        return as_matrix(jobs(found, inputs.shards))
    except UsageError:
        if inputs.plan_as == "matrix":
            raise
        return ""
