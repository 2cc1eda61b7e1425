"""Who plays models and humans where control flow alone is tested: answers at once, or when it is told to."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from runner.errors import Question, RunPaused
from runner.patterns.registry import PATTERNS
from runner.plan.plan import Gate
from runner.plan.scope import Scope
from runner.plan.templates import render
from runner.step import names_for
from tests.build import plan_of, result, skipped, workflow

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.plan.plan import Plan, Row
    from runner.report.results import StepResult


class Actor:
    """Answers by path: with a text, with data, or with None, which is a step that was skipped, or a gate that nobody
    answers. `answer` may be a coroutine function. `questions` are what was asked, by path and in the order it was
    asked; of a gate, with what it shows."""

    def __init__(self, answer: Callable[[str], Any]) -> None:
        self._answer = answer
        self.questions: dict[str, str] = {}

    @property
    def asked(self) -> list[str]:
        return list(self.questions)

    async def __call__(self, step: Row, scope: Scope, path: str) -> StepResult:
        if isinstance(step, Gate):
            return self._at(step, scope, path)
        self.questions[path] = scope.response if step.input is None else render(step.input, names_for(step, scope))
        said = self._answer(path)
        said = await said if asyncio.iscoroutine(said) else said
        if said is None:
            return skipped(path, id=step.id)
        if isinstance(said, str):
            return result(path, response=said, id=step.id)
        return result(path, response=json.dumps(said), data=said, id=step.id)

    def _at(self, gate: Gate, scope: Scope, path: str) -> StepResult:
        shown = [
            render(text, scope.for_templates()) for text in (gate.prompt, gate.context_display) if text is not None
        ]
        self.questions[path] = " | ".join(shown)
        question = Question(path, shown[0])
        if (said := self._answer(path)) is None:
            raise RunPaused([question])
        return result(path, agent="", response=said, question=question)

    def play(self, plan: Plan) -> Scope:
        """Run a plan's pattern; returns the scope behind it."""
        return asyncio.run(PATTERNS[plan.flow.type](plan.flow, Scope(dict(plan.variables)), self))


def run(plan: Plan, answer: Callable[[str], Any]) -> Scope:
    """Run a plan's pattern with an actor of whom nothing else is asked."""
    return Actor(answer).play(plan)


def plan(pattern: dict[str, Any], **runtime: Any) -> Plan:
    return plan_of(workflow(pattern=pattern, runtime=runtime))
