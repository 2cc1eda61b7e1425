"""workflow: a DAG of tasks. A task starts the moment its own needs are met; there are no layers.

A task sees what it waits for, directly or not, and nothing else, whatever has finished by then. The answer is that
of the tasks nobody waits for, joined in the order they are written.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from runner.patterns.together import together
from runner.plan.plan import Upstream
from runner.plan.scope import Answers

if TYPE_CHECKING:
    from runner.plan.plan import Task, WorkflowFlow
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
                seen = Answers(by_id=results, visible=Upstream(task.id, deps).__contains__)
                results[task.id] = await run(task.step, _behind(scope, task, results, seen), task.step.path)
        finally:
            done[task.id].set()

    await together([one(task) for task in flow.tasks], keep_going=flow.keep_going)
    awaited = {dep for task in flow.tasks for dep in task.deps}
    last = [results[task.id] for task in flow.tasks if task.id not in awaited]
    scope = scope.with_names(tasks=Answers(tuple(results[task.id] for task in flow.tasks), results))
    return replace(scope, last=last[-1], joined="\n\n".join(result.response for result in last))


def _behind(scope: Scope, task: Task, results: dict[str, StepResult], seen: Answers) -> Scope:
    """The scope of a task: its needs by id, and their answers joined as the latest one."""
    scope = scope.with_names(tasks=seen)
    if not task.deps:
        return scope
    answers = [results[dep] for dep in task.deps]
    return replace(scope, last=answers[-1], joined="\n\n".join(result.response for result in answers))
