"""run_step: render, call, result. Nothing else."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from runner.calls.call import Allowance, Call, Reply
from runner.errors import BudgetExceeded, ModelProblem, StepFailed, TemplateProblem
from runner.report.events import StepFinished, StepStarted
from runner.report.results import StepResult

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from datetime import datetime

    from runner.calls.call import Invoke
    from runner.plan.plan import Step
    from runner.plan.scope import Scope
    from runner.report.events import Emit


class RunStep(Protocol):
    """The one thing a pattern may ask for: a step's answer. Raises StepFailed when there is none that counts."""

    async def __call__(self, step: Step, scope: Scope, path: str) -> StepResult: ...


class Span(Protocol):
    """Opens a span of the trace; what is set on the value inside becomes its attributes."""

    def __call__(self, name: str, **attributes: str | int) -> AbstractContextManager[Callable[..., None]]: ...


def step_runner(invoke: Invoke, *, emit: Emit, now: Callable[[], datetime], span: Span) -> RunStep:
    """The run's `run_step`. Every start and end is emitted, also of a step that failed or was cancelled."""

    async def run_step(step: Step, scope: Scope, path: str) -> StepResult:
        clock = asyncio.get_running_loop().time
        begun, before = now(), clock()
        call: Call | None = None
        emit(StepStarted(path, step.agent.id))

        def finish(status: str, reply: Reply | None = None, error: str | None = None) -> StepResult:
            result = StepResult(
                path=path,
                agent=step.agent.id,
                config_hash=step.config_hash,
                status=status,  # type: ignore[arg-type]
                id=step.id,
                started=begun,
                duration_ms=round(1000 * (clock() - before)),
                error=error,
            )
            if call is not None:
                tally = call.tally
                result = replace(result, usage=tally.usage, attempts=tally.attempts, turns=tally.turns)
            if reply is not None:
                result = replace(result, response=reply.text, data=reply.data, source=reply.source)
            describe(status=status, tokens=result.usage.total, attempts=result.attempts)
            emit(StepFinished(result))
            return result

        with span("step", path=path, agent=step.agent.id, config_hash=step.config_hash) as describe:
            try:
                call = render_call(step, scope, path)
                return finish("success", await invoke(call))
            except asyncio.CancelledError:
                finish("cancelled")
                raise
            except BudgetExceeded as refused:
                finish("failed" if call and call.tally.turns else "skipped", error=refused.message)
                raise
            except (ModelProblem, TemplateProblem) as problem:
                finish("failed", error=problem.message)
                raise StepFailed(f"{path} ({step.agent.id}): {problem.message}", path=path, at=step.at) from problem

    return run_step


def render_call(step: Step, scope: Scope, path: str) -> Call:
    """The question in words. A step without an input is asked the latest answer, or else its agent's prompt itself."""
    from runner.plan.templates import render

    names = {**scope.for_templates(), **step.vars}
    prompt = render(step.agent.prompt, names)
    user = scope.response if step.input is None else render(step.input, names)
    if not user.strip():
        if step.input is not None:
            raise TemplateProblem("its input is empty once rendered")
        return Call(path, step, None, prompt, Allowance(step.timeout_s))
    return Call(path, step, prompt, user, Allowance(step.timeout_s))
