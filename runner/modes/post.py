"""Posting the plan that another job wrote. Nothing else runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from runner.errors import RunCancelled, RunnerError
from runner.intake import plan_of
from runner.modes.posted import posted, posts
from runner.report.posted import line
from runner.watchdog import Watchdog

if TYPE_CHECKING:
    from runner.door import Door
    from runner.inputs import ActionInputs
    from runner.report.summary import Detail


def post(door: Door, inputs: ActionInputs) -> int:
    """Post the plan that the inputs name. Returns the exit code."""
    file, allowed = "", None
    if inputs.spec:
        with door.standing.sources() as home:
            plan = plan_of(inputs, home, need_values=False, read_only=door.standing.read_only)
        file, allowed = plan.file, plan.post
    posting = posts(door, inputs).of_plan(door.host.workspace, file, allowed)
    blank, detail = door.unrun("post-plan", "live"), cast("Detail", inputs.summary)

    def give_up(why: RunnerError | None) -> int:
        door.delivery.unrun(posting.cut_off(blank), detail)
        return RunCancelled.exit_code

    with Watchdog(door.stop, give_up, door.leave), door.host.quiet():
        report = posted(door, blank, posting)
        door.delivery.unrun(report, detail)
    door.delivery.tell(report)
    door.log.line("ERROR" if report.failure else "INFO", line(report))
    if report.failure is not None:
        door.log.help(report.failure.title)
    return report.exit_code
