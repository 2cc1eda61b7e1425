"""orchestrator_workers: an orchestrator makes tasks, workers do them at once, and what they found is brought together.

In later rounds the orchestrator sees the answers so far and makes more tasks, or none, which ends it. A human may
review the tasks before anybody does them, and the answers before they are reduced.
"""

from __future__ import annotations

from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from runner.errors import PolicyFailed
from runner.patterns.reviewed import TaskReview, answers_reviewed
from runner.patterns.together import together
from runner.plan.flows import nth
from runner.plan.scope import Answers

if TYPE_CHECKING:
    from runner.plan.flows import OrchestratorWorkersFlow
    from runner.plan.scope import Scope
    from runner.report.results import StepResult
    from runner.step import RunStep


async def orchestrator_workers(flow: OrchestratorWorkersFlow, scope: Scope, run: RunStep) -> Scope:
    answers: list[StepResult] = []
    given: list[str] = []
    review = TaskReview(flow, run)
    for number in count(1):
        seen = _with_workers(scope, answers, given, number)
        made = await _tasks(flow, number, seen, run)
        tasks = made.data["tasks"]
        if not tasks:
            break
        if number > flow.max_rounds:
            told = f"after {flow.max_rounds} rounds there is still work to do (limits.max_rounds)"
            raise PolicyFailed(told, path=flow.orchestrator.path, at=flow.orchestrator.at, response=scope.response)
        tasks, seen = await review.of(made, seen)
        answers += await _round(flow, tasks, len(answers), seen, run)
        given += [task["task"] for task in tasks]
        scope = _with_workers(seen, answers, given, number).joining(answers)
        if number == flow.max_rounds and flow.on_exhausted == "accept":
            break
    return await _brought_together(flow, scope, run)


async def _tasks(flow: OrchestratorWorkersFlow, number: int, scope: Scope, run: RunStep) -> StepResult:
    if number == 1 or flow.again is None:
        return await run(flow.orchestrator, scope, flow.orchestrator.path)
    return await run(flow.again, scope, nth(flow.again.path, number - 1))


async def _round(
    flow: OrchestratorWorkersFlow, tasks: list[Any], done: int, scope: Scope, run: RunStep
) -> list[StepResult]:
    """Every task to a worker of its own, numbered on from those of earlier rounds."""
    work = [
        partial(run, flow.worker, scope.with_names(task=task["task"]), f"{flow.worker.path}[{done + index}]")
        for index, task in enumerate(tasks)
    ]
    return await together(work, keep_going=flow.keep_going, at_most=flow.max_workers)


async def _brought_together(flow: OrchestratorWorkersFlow, scope: Scope, run: RunStep) -> Scope:
    if flow.reduce_review is not None:
        scope = await answers_reviewed(flow.reduce_review, scope, run)
    if flow.reduce is not None:
        result = await run(flow.reduce, scope, flow.reduce.path)
        scope = scope.with_names(reduce_response=result.response).answered(result)
    if flow.writeup is not None:
        scope = scope.answered(await run(flow.writeup, scope, flow.writeup.path))
    return scope


def _with_workers(scope: Scope, answers: list[StepResult], given: list[str], number: int) -> Scope:
    seen = Answers(tuple(answers), tasks=tuple(given))
    return scope.with_names(workers=seen, num_workers=len(answers), round_count=number)
