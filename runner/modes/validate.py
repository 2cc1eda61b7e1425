"""Checking files: every one that is named, and everything that is wrong with any. None runs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from runner.credentials import unequipped
from runner.credentials.secrets import absent
from runner.errors import RunnerError, UsageError
from runner.inputs import TESTS
from runner.intake import files_to_check, plan_of_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.door import Door
    from runner.errors import Finding
    from runner.inputs import ActionInputs
    from runner.report.summary import Detail


def validate(door: Door, inputs: ActionInputs) -> int:
    """Check the files that the inputs name. Returns the exit code."""
    errors: list[RunnerError] = []
    advice: list[Finding] = []
    if inputs.prompt is not None:
        raise UsageError("there is no file to validate in a prompt; set 'spec', or mode: plan")
    files, others = files_to_check(inputs, door.host.workspace)
    for name in others:
        door.log.line("INFO", f"{name} skipped: not a workflow")
    if not files:
        raise UsageError("no file to validate; set 'spec' to a workflow file, several, a glob, or a directory")
    for name in files:
        try:
            advice += _checked(door, name, inputs)
        except RunnerError as error:
            door.tell(error)
            errors.append(error)
    # All at once: the host shows so many of a step, and the last one says how many more there are.
    door.host.annotate([finding for error in errors for finding in error.findings], "Invalid workflow")
    door.host.annotate(advice, "Advice")
    report = door.unrun(", ".join(files), "validate", errors)
    if report.failure is not None:
        door.log.help(report.failure.title)
    door.delivery.unrun(report, cast("Detail", inputs.summary))
    return report.exit_code


def _checked(door: Door, name: str, inputs: ActionInputs) -> Sequence[Finding]:
    """Say that one file is valid. Returns the advice about it; raises RunnerError with what is wrong with it."""
    if name.endswith(TESTS):
        from runner.testing.cases import load  # its shapes, which workflows do without

        found = load(name, door.host.workspace)
        door.log.line("INFO", f"{name}: valid; {len(found)} test cases")
        return ()
    plan = door.standing.fitted(plan_of_file(name, inputs, door.host.workspace, need_values=False))
    door.learn(plan)
    missing = absent(plan.secrets, door.environ, door.host.workspace)
    plan = replace(plan, warnings=(*plan.warnings, *missing, *unequipped(plan.steps())))
    door.advise(plan, inputs, annotate=False)
    door.log.line("INFO", f"{name}: valid; {plan.flow.type}, {len(plan.rows())} steps")
    return plan.warnings
