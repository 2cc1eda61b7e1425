"""Tasks and answers of workers that a human reviews, as orchestrator_workers needs it."""

from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING, Any

from runner.errors import Rejected
from runner.plan import reviews
from runner.plan.flows import nth

if TYPE_CHECKING:
    from runner.plan.flows import OrchestratorWorkersFlow
    from runner.plan.plan import Gate
    from runner.plan.scope import Scope
    from runner.report.results import StepResult
    from runner.step import RunStep


class TaskReview:
    """What becomes of the tasks an orchestrator makes, in one round after the other. Reviews are numbered through."""

    def __init__(self, flow: OrchestratorWorkersFlow, run: RunStep) -> None:
        self._flow, self._run, self._turns = flow, run, count(1)

    async def of(self, made: StepResult, scope: Scope) -> tuple[list[Any], Scope]:
        """The tasks that are done, and the scope in which: a human lets them pass, or says others, or has the
        orchestrator make others, which are reviewed again."""
        tasks, scope = made.data["tasks"], scope.behind(made)
        gate, revised = self._flow.review, self._flow.revised
        if gate is None or revised is None:
            return tasks, scope
        turn = next(self._turns)
        text = json.dumps(tasks, indent=2, ensure_ascii=False)
        shown = scope.beside(orchestrator_response=text, subtasks=tasks, task_count=len(tasks))
        said = await self._run(gate, shown, nth(gate.path, turn))
        verdict, others = reviews.tasks(said.response, self._flow.max_tasks)
        _go_on(verdict, gate, said, scope)
        if verdict == "yes" or others:
            return others or tasks, scope.reviewed(said)
        again = await self._run(revised, shown.reviewed(said), nth(revised.path, turn))
        return await self.of(again, scope.reviewed(said))


async def answers_reviewed(gate: Gate, scope: Scope, run: RunStep) -> Scope:
    """The scope behind a human who lets the answers of the workers be reduced."""
    said = await run(gate, scope.beside(worker_count=scope.names["num_workers"]), gate.path)
    _go_on(reviews.verdict(said.response), gate, said, scope)
    return scope.reviewed(said)


def _go_on(verdict: reviews.Verdict, gate: Gate, said: StepResult, scope: Scope) -> None:
    if verdict == "no":
        told = f"{said.path} was answered '{said.response.strip()}'"
        raise Rejected(told, path=said.path, at=gate.at, response=scope.response)
