"""workflow: a DAG of tasks. A task starts the moment its own needs are met; there are no layers.

A task sees what it waits for, directly or not, and nothing else, whatever has finished by then. Where what it waits
for was skipped it is skipped too, unless it has a condition of its own. A gate without an answer stops
nothing but what is behind it. The answer is that of the tasks nobody waits for, joined in the order they are written.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from runner.patterns.together import together
from runner.plan import order
from runner.plan.flows import Upstream
from runner.plan.plan import Gate
from runner.plan.scope import Answers

if TYPE_CHECKING:
    from runner.plan.flows import Task, WorkflowFlow
    from runner.plan.plan import Row
    from runner.plan.scope import Scope
    from runner.report.results import StepResult
    from runner.step import RunStep


END: Final = ""
"""What comes behind all tasks; no task has that id."""


async def workflow(flow: WorkflowFlow, scope: Scope, run: RunStep) -> Scope:
    deps = flow.deps
    done = {task.id: asyncio.Event() for task in flow.tasks}
    results: dict[str, StepResult] = {}
    gates = {task.id for task in flow.tasks if isinstance(task.step, Gate)}
    heard = order.latest({**deps, END: tuple(deps)}, gates)

    def told(one: str) -> dict[str, str]:
        """The latest answer of a human before a task."""
        return {"hitl_response": results[heard[one]].response} if one in heard else {}

    async def one(task: Task) -> None:
        for dep in task.deps:
            await done[dep].wait()
        try:
            if all(dep in results for dep in task.deps):
                before = Upstream(task.id, deps)
                seen = Answers(partial(_seen, flow, results, before), results, before)
                answers = [results[dep] for dep in task.deps]
                names = scope.with_names(tasks=seen, **told(task.id)).joining(answers)
                results[task.id] = await run(_unless_skipped(task.step, answers), names, task.step.path)
        finally:
            done[task.id].set()

    await together([one(task) for task in flow.tasks], keep_going=flow.keep_going)
    awaited = {dep for task in flow.tasks for dep in task.deps}
    scope = scope.with_names(tasks=Answers(tuple(results[task.id] for task in flow.tasks), results), **told(END))
    return scope.joining([results[task.id] for task in flow.tasks if task.id not in awaited])


def _unless_skipped(step: Row, needs: list[StepResult]) -> Row:
    """A task that has no condition of its own is skipped when one that it waits for was."""
    skipped = any(result.status == "skipped" for result in needs)
    return replace(step, when="false") if skipped and step.when is None else step


def _seen(flow: WorkflowFlow, results: dict[str, StepResult], before: Upstream) -> list[StepResult]:
    """What a task may see, in the order it is written; asked for only by a template that goes through it."""
    ids = set(before)
    return [results[task.id] for task in flow.tasks if task.id in ids]
