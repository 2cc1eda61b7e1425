"""workflow: a DAG of tasks. A task starts the moment its own needs are met; there are no layers.

A task sees what it waits for, directly or not, and nothing else, whatever has finished by then. Where what it waits
for was skipped it is skipped too, unless it has a condition of its own. The answer is that of the tasks nobody waits
for, joined in the order they are written.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from runner.patterns.together import together
from runner.plan.flows import Upstream
from runner.plan.scope import Answers

if TYPE_CHECKING:
    from runner.plan.flows import Task, WorkflowFlow
    from runner.plan.plan import Step
    from runner.plan.scope import Scope
    from runner.report.results import StepResult
    from runner.step import RunStep


async def workflow(flow: WorkflowFlow, scope: Scope, run: RunStep) -> Scope:
    deps = {task.id: task.deps for task in flow.tasks}
    done = {task.id: asyncio.Event() for task in flow.tasks}
    results: dict[str, StepResult] = {}

    async def one(task: Task) -> None:
        for dep in task.deps:
            await done[dep].wait()
        try:
            if all(dep in results for dep in task.deps):
                before = Upstream(task.id, deps)
                seen = Answers(partial(_seen, flow, results, before), results, before)
                answers = [results[dep] for dep in task.deps]
                results[task.id] = await run(
                    _unless_skipped(task.step, answers), scope.with_names(tasks=seen).joining(answers), task.step.path
                )
        finally:
            done[task.id].set()

    await together([one(task) for task in flow.tasks], keep_going=flow.keep_going)
    awaited = {dep for task in flow.tasks for dep in task.deps}
    scope = scope.with_names(tasks=Answers(tuple(results[task.id] for task in flow.tasks), results))
    return scope.joining([results[task.id] for task in flow.tasks if task.id not in awaited])


def _unless_skipped(step: Step, needs: list[StepResult]) -> Step:
    """A task that has no condition of its own is skipped when one that it waits for was."""
    skipped = any(result.status == "skipped" for result in needs)
    return replace(step, when="false") if skipped and step.when is None else step


def _seen(flow: WorkflowFlow, results: dict[str, StepResult], before: Upstream) -> list[StepResult]:
    """What a task may see, in the order it is written; asked for only by a template that goes through it."""
    ids = set(before)
    return [results[task.id] for task in flow.tasks if task.id in ids]
