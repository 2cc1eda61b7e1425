"""run_step: render, call, result; and for a gate: render, ask, result. Nothing else."""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from runner.calls.call import Allowance, Call, Reply, Tally
from runner.calls.gates import GateRecord, Gates, question_of
from runner.errors import (
    BudgetExceeded,
    ModelProblem,
    Question,
    RunnerError,
    RunPaused,
    StepFailed,
    TemplateProblem,
)
from runner.plan.plan import Gate
from runner.plan.schemas import mismatch
from runner.plan.templates import condition, render
from runner.report.events import StepFinished
from runner.report.results import StepResult

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from contextlib import AbstractContextManager
    from datetime import datetime

    from runner.calls.call import Invoke
    from runner.plan.plan import Row, Step
    from runner.plan.scope import Scope
    from runner.report.events import Emit
    from runner.report.results import StepStatus


class RunStep(Protocol):
    """The one thing a pattern may ask for: a step's answer, or a human's at a gate. Raises StepFailed when there is
    none that counts, and RunPaused when a human has yet to answer."""

    async def __call__(self, step: Row, scope: Scope, path: str) -> StepResult: ...


RunAgent: TypeAlias = "Callable[[Step, Scope, str], Awaitable[StepResult]]"


Keep: TypeAlias = "Callable[[StepResult], StepResult]"


def held(result: StepResult) -> StepResult:
    """For a run that holds all of its answers."""
    return result


class Span(Protocol):
    """Opens a span of the trace; what is set on the value inside becomes its attributes."""

    def __call__(self, name: str, **attributes: str | int) -> AbstractContextManager[Callable[..., None]]: ...


@contextmanager
def untraced(name: str, **attributes: str | int) -> Iterator[Callable[..., None]]:
    """For a run whose spans nobody wants."""
    yield lambda **_: None


def step_runner(
    invoke: Invoke, gates: Gates, *, emit: Emit, now: Callable[[], datetime], span: Span, keep: Keep = held
) -> RunStep:
    """The run's `run_step`. How a step ended is emitted, also when it failed or was cancelled; `keep` says in which
    form its result is."""
    run_agent = agent_runner(invoke, emit=emit, now=now, span=span, keep=keep)

    async def run_step(step: Row, scope: Scope, path: str) -> StepResult:
        if not isinstance(step, Gate):
            return await run_agent(step, scope, path)
        with span("gate", path=path, config_hash=step.config_hash) as describe:
            result, problem = _at_gate(step, scope, path, gates, now())
            describe(status=result.status)
            emit(StepFinished(result))
            if problem is not None:
                raise problem
            return result

    return run_step


def _at_gate(
    gate: Gate, scope: Scope, path: str, gates: Gates, started: datetime
) -> tuple[StepResult, RunnerError | None]:
    """What became of a gate, and what is wrong where it gave no answer and should have."""
    result = StepResult(path, "", gate.config_hash, "failed", id=gate.id, started=started)
    try:
        names = scope.for_templates()
        if gate.when is not None and not condition(gate.when, names):
            return replace(result, status="skipped"), None
        asked = Question(path, render(gate.prompt, names), render(gate.context_display or "", names), gate.at)
    except TemplateProblem as problem:
        failure = StepFailed(f"{path}: {problem.message}", path=path, at=gate.at)
        return replace(result, error=problem.message), failure
    try:
        record = gates.ask(gate, path, asked.prompt, asked.context)
    except RunPaused as pause:
        return replace(result, status="paused", question=pause.questions[0]), pause
    except RunnerError as error:
        return replace(result, question=asked, error=error.message), error
    return _answered(replace(result, source=gates.source(record)), gate, record), None


def _answered(result: StepResult, gate: Gate, record: GateRecord) -> StepResult:
    return replace(
        result,
        status="success",
        response=record.answer or "",
        question=question_of(gate, record),
        answered_by=record.answered_by,
    )


def agent_runner(invoke: Invoke, *, emit: Emit, now: Callable[[], datetime], span: Span, keep: Keep = held) -> RunAgent:
    """`run_step` for what models are asked."""

    async def run_agent(step: Step, scope: Scope, path: str) -> StepResult:
        clock = asyncio.get_running_loop().time
        called, tally = clock(), Tally()

        def finish(status: StepStatus, reply: Reply | None = None, error: str | None = None) -> StepResult:
            working = clock() - (called if tally.begun is None else tally.begun)
            took = round(1000 * working) if reply is None or reply.took_ms is None else reply.took_ms
            result = StepResult(
                path=path,
                agent=step.agent.id,
                config_hash=step.config_hash,
                status=status,
                response=reply.text if reply else "",
                data=reply.data if reply else None,
                usage=tally.usage,
                attempts=0 if status == "skipped" else tally.attempts,
                turns=tally.turns,
                source=reply.source if reply else "live",
                model=tally.model,
                id=step.id,
                started=None if status == "skipped" else now() - timedelta(seconds=working),
                duration_ms=0 if status == "skipped" else took,
                error=error,
                tools=tuple(tally.tools),
                recorded_ms=reply.recorded_ms if reply else None,
                bills=tuple(tally.bills),
                uncounted=tally.uncounted,
            )
            result = keep(result)
            describe(status=status, tokens=result.usage.total, attempts=result.attempts)
            emit(StepFinished(result))
            return result

        with span("step", path=path, agent=step.agent.id, config_hash=step.config_hash) as describe:
            try:
                if step.when is not None and not condition(step.when, names_for(step, scope)):
                    return finish("skipped")
                return finish("success", await invoke(render_call(step, scope, path, tally)))
            except asyncio.CancelledError:
                if tally.begun is not None:  # or it never began, and nothing came of it
                    finish("cancelled")
                raise
            except BudgetExceeded as refused:
                finish("failed" if tally.turns else "skipped", error=refused.message)
                raise
            except (ModelProblem, TemplateProblem) as problem:
                finish("failed", error=problem.message)
                raise StepFailed(f"{path} ({step.agent.id}): {problem.message}", path=path, at=step.at) from problem
            except RunnerError as error:  # not the step's own failure, such as credentials that are not there
                finish("failed", error=error.message)
                raise

    return run_agent


def names_for(step: Step, scope: Scope) -> dict[str, Any]:
    """Everything that the templates of a step may name."""
    return {**scope.for_templates(), **step.vars}


def render_call(step: Step, scope: Scope, path: str, tally: Tally) -> Call:
    """The question in words. A step without an input is asked the latest answer, or else its agent's prompt itself."""
    names = names_for(step, scope)
    prompt = render(step.agent.prompt, names)
    user = scope.response if step.input is None else render(step.input, names)
    system: str | None = prompt
    if not user.strip():
        if step.input is not None:
            raise TemplateProblem("its input is empty once rendered")
        system, user = None, prompt
    if step.agent.input_schema is not None and (wrong := mismatch(_as_data(user), step.agent.input_schema)):
        raise TemplateProblem(f"its input does not satisfy the agent's input_schema at {wrong}")
    return Call(path, step, system, user, Allowance(step.timeout_s), tally)


def _as_data(question: str) -> Any:
    """A question as the data it is, or as the text it is."""
    try:
        return json.loads(question)
    except (ValueError, RecursionError):
        return question
