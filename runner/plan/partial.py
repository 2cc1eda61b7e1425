"""The outputs of a run that ended early: those that name only what had finished by then."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING, Any

from runner.errors import TemplateProblem
from runner.plan.flows import ChainFlow, GraphFlow, ParallelFlow, WorkflowFlow, planned
from runner.plan.scope import view
from runner.plan.templates import references, render

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runner.plan.flows import Flow
    from runner.plan.plan import Plan, Row
    from runner.report.results import StepResult


def partial_outputs(plan: Plan, steps: Sequence[StepResult], names: Mapping[str, Any]) -> dict[str, str]:
    """`outputs.step_outputs` as far as they can be told, and nothing for the others.

    Only those are that name an answer by its place: the latest one is not yet what it should be, and a text that names
    none would say that all is well. `steps` are those that came to an end; one that was refused did not.
    """
    finished = {planned(one.path): one for one in steps if one.status in ("success", "skipped") and not one.error}
    answers = _answers(plan.flow, finished)
    outputs = dict.fromkeys(plan.step_outputs, "")
    for name, template in plan.step_outputs.items():
        try:
            if references(template).names & answers.keys():
                outputs[name] = render(template, {**names, **answers})
        except TemplateProblem:
            continue
    return outputs


class Finished:
    """Answers by their places alone: those that are not there yet would be missing from a count and from a loop, and
    `[-1]` would be another one."""

    __slots__ = ("_by_place",)
    __iter__ = None

    def __init__(self, by_place: Mapping[str | int, StepResult]) -> None:
        self._by_place = by_place

    def __getitem__(self, place: str | int) -> dict[str, Any]:
        return view(self._by_place[place])


def _answers(flow: Flow, finished: Mapping[str, StepResult]) -> dict[str, Finished]:
    """The finished answers under the names that the pattern gives them."""
    match flow:
        case ChainFlow(steps):
            done = [finished[row.path] for row in takewhile(lambda row: row.path in finished, steps)]
            return {"steps": Finished({**dict(enumerate(done)), **{one.id: one for one in done if one.id}})}
        case ParallelFlow(branches):
            whole = [one for one in branches if all(row.path in finished for row in one.steps)]
            return {"branches": _by_id({one.id: _last(one.steps, finished) for one in whole}, finished)}
        case WorkflowFlow(tasks):
            return {"tasks": _by_id({one.id: one.step for one in tasks}, finished)}
        case GraphFlow(nodes):
            return {"nodes": _by_id(nodes, finished)}
    return {}


def _last(steps: Sequence[Row], finished: Mapping[str, StepResult]) -> Row:
    """The row whose answer is that of all of them: the last that was not skipped."""
    return next((row for row in reversed(steps) if finished[row.path].status != "skipped"), steps[-1])


def _by_id(rows: Mapping[str, Row], finished: Mapping[str, StepResult]) -> Finished:
    return Finished({one: finished[row.path] for one, row in rows.items() if row.path in finished})
