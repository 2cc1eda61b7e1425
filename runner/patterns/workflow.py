"""workflow: a DAG of tasks. A task starts the moment its own needs are met; there are no layers.

A task sees what it waits for, directly or not, and nothing else, whatever has finished by then. Where what it waits
for was skipped it is skipped too, unless it has a condition of its own. A gate without an answer stops
nothing but what is behind it. The answer is that of the tasks nobody waits for, joined in the order they are written.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from runner.patterns.together import as_they_come
from runner.plan import order
from runner.plan.flows import Upstream
from runner.plan.plan import Gate
from runner.plan.scope import Answers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from runner.plan.flows import WorkflowFlow
    from runner.plan.plan import Row
    from runner.plan.scope import Scope
    from runner.report.results import StepResult
    from runner.step import RunStep


END: Final = ""
"""What comes behind all tasks; no task has that id."""


async def workflow(flow: WorkflowFlow, scope: Scope, run: RunStep) -> Scope:
    deps = flow.deps
    results: dict[str, StepResult] = {}
    gates = {task.id for task in flow.tasks if isinstance(task.step, Gate)}
    heard = order.latest({**deps, END: tuple(deps)}, gates)
    ready = Ready(flow)

    def told(one: str) -> dict[str, str]:
        """The latest answer of a human before a task."""
        return {"hitl_response": results[heard[one]].response} if one in heard else {}

    async def one(number: int) -> None:
        task = flow.tasks[number]
        before = Upstream(task.id, deps)
        seen = Answers(partial(_seen, flow, results, before), results, before)
        answers = [results[dep] for dep in task.deps]
        names = scope.with_names(tasks=seen, **told(task.id)).joining(answers)
        results[task.id] = await run(_unless_skipped(task.step, answers), names, task.step.path)
        ready.ended(number)

    def following() -> tuple[int, Callable[[], Awaitable[None]]] | None:
        number = ready.next()
        return None if number is None else (number, partial(one, number))

    await as_they_come(following, keep_going=flow.keep_going)
    awaited = {dep for task in flow.tasks for dep in task.deps}
    scope = scope.with_names(tasks=Answers(tuple(results[task.id] for task in flow.tasks), results), **told(END))
    return scope.joining([results[task.id] for task in flow.tasks if task.id not in awaited])


class Ready:
    """The tasks that wait for nothing any more, by their numbers and in the order in which they came to that."""

    def __init__(self, flow: WorkflowFlow) -> None:
        numbers = {task.id: number for number, task in enumerate(flow.tasks)}
        self._needs = [len({*task.deps}) for task in flow.tasks]
        self._behind: dict[int, list[int]] = {}
        for number, task in enumerate(flow.tasks):
            for dep in {*task.deps}:
                self._behind.setdefault(numbers[dep], []).append(number)
        self._ready = deque(number for number, needs in enumerate(self._needs) if not needs)

    def next(self) -> int | None:
        return self._ready.popleft() if self._ready else None

    def ended(self, number: int) -> None:
        """A task has an answer."""
        for one in self._behind.get(number, ()):
            self._needs[one] -= 1
            if not self._needs[one]:
                self._ready.append(one)


def _unless_skipped(step: Row, needs: list[StepResult]) -> Row:
    """A task that has no condition of its own is skipped when one that it waits for was."""
    skipped = any(result.status == "skipped" for result in needs)
    return replace(step, when="false") if skipped and step.when is None else step


def _seen(flow: WorkflowFlow, results: dict[str, StepResult], before: Upstream) -> list[StepResult]:
    """What a task may see, in the order it is written; asked for only by a template that goes through it."""
    ids = set(before)
    return [results[task.id] for task in flow.tasks if task.id in ids]
