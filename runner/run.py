"""Plan to RunReport: wires what may wrap a call, runs the pattern, and always returns a report."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from runner.answers import let_go
from runner.calls.budget import Ledger
from runner.calls.gates import Gates
from runner.course import Course
from runner.errors import (
    BudgetExceeded,
    RecordingProblem,
    RunCancelled,
    RunnerError,
    RunPaused,
    RunTimeout,
    StepFailed,
    TemplateProblem,
)
from runner.garbage import seldom_collected
from runner.notes import Notebook
from runner.onion import wrapped
from runner.patterns.registry import PATTERNS
from runner.plan.partial import partial_outputs
from runner.plan.pii import redact
from runner.plan.scope import Scope, of_inputs
from runner.prices import price
from runner.report.events import Crashed, RunStarted, Statistics, Warned
from runner.report.results import Failure, RunReport
from runner.spill import Spill
from runner.step import step_runner, untraced
from runner.tape.deck import Deck
from runner.threads import Loop, Threads

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping
    from datetime import datetime
    from pathlib import Path

    from runner.agents.live import LiveAgents
    from runner.plan.plan import ContextPlan, Plan
    from runner.report.events import Emit, Event
    from runner.step import Span

OTHER_THREADS: Final = 8
"""For what else waits in a thread: names being looked up, clients being opened."""

CLOSING_S: Final = 3.0
"""How long clients may take to close; the runner kills a cancelled container after some ten seconds."""


@dataclass(frozen=True)
class Surroundings:
    """Where a run happens: everything it knows of the world.

    `artifacts` is the directory of the run's own files, which no tool may touch; None where it writes none. `secrets`
    are those that the file declares, by the names it calls them. `random` spreads retries and guards nothing. `scrub`
    takes secrets out of a text, `trace` gives the spans that have ended so far as JSON. `gates`
    have the answers of humans; without them there are none.
    """

    environ: Mapping[str, str]
    workspace: Path
    artifacts: Path | None
    emit: Emit
    now: Callable[[], datetime]
    span: Span = untraced
    random: Random = field(default_factory=Random)
    secrets: Mapping[str, str] = field(default_factory=dict)
    scrub: Callable[[str], str] = lambda text: text
    trace: Callable[[], str] = lambda: ""
    deck: Deck | None = None
    """The run's recordings; without it they are forgotten."""
    gates: Gates | None = None
    spill: Spill = field(default_factory=Spill)
    """Where answers are that do not fit into memory."""


T = TypeVar("T")
Watched: TypeAlias = Callable[["Run"], AbstractContextManager[object]]
"""What is open while a run goes on, and may cancel its task."""


def run_plan(plan: Plan, around: Surroundings, watched: Watched = nullcontext) -> RunReport:
    """Run a plan in a loop of its own: the only one there is, in a thread that has none."""

    async def whole() -> Run:
        run = Run(plan, around)
        with seldom_collected(), watched(run):
            await run.task
            return run  # not its report: asyncio makes a text of what comes back, as long as that is

    # A call of Bedrock holds a thread; the default is a handful on a small machine.
    threads = Threads(plan.limits.max_parallel + OTHER_THREADS, "call")
    with asyncio.Runner(loop_factory=partial(Loop, threads)) as runner:
        return runner.run(whole()).task.result()


async def execute(plan: Plan, around: Surroundings) -> RunReport:
    """Run a plan in the loop in hand, with the threads it has."""
    return await Run(plan, around).task


class Run:
    """One run of a plan, in the loop in hand, and at any moment the report of what there is of it."""

    def __init__(self, plan: Plan, around: Surroundings) -> None:
        self._plan, self._around = plan, around
        self._deck = around.deck or Deck(plan)
        self._gates = around.gates or Gates(None, {}, around.now, lambda record: None)
        self._course = Course(plan, around.emit)
        started = around.now()
        self._ledger = Ledger(plan.limits, self.emit, lambda model, usage: price(usage, model, at=started))
        self._clock = asyncio.get_running_loop().time
        self._started = self._clock()
        self._deadline: float | None = None
        report = RunReport(plan.name, "success", 0, self._deck.mode, started, 0)
        report = replace(report, pattern=plan.flow.type, config_hash=plan.config_hash, shard=plan.shard)
        # Set also when the run fails.
        self._blank = replace(report, step_outputs=dict.fromkeys(plan.step_outputs, ""))
        self._outcome: RunReport | None = None
        self.emit(RunStarted(plan.name, plan.flow.type, len(plan.rows()), plan.config_hash))
        self._agents = _live_agents(plan, around, self._deck, self._ledger, self.emit)
        self.task = asyncio.create_task(self._execute())

    @property
    def is_late(self) -> bool:
        """Whether its time was over before it came to its end."""
        return self._outcome is None and self._deadline is not None and self._clock() > self._deadline

    def emit(self, event: Event) -> None:
        """Tell of the run."""
        self._course.emit(event)

    def cut_off(self, why: RunnerError | None) -> RunReport:
        """The report of a run that is left as it is: how it ended where that is known, and else what had finished. For
        other threads too, while this one may be anywhere in it."""
        return self._so_far(self._outcome or _failed(self._blank, why or RunnerError("the run did not end")))

    async def _execute(self) -> RunReport:
        """A run that fails, is cancelled or runs out of something is a report too."""
        try:
            self._outcome = await self._played()
        finally:
            if left_open := await _close(self._agents):
                self._course.warn(left_open)
        for remark in self._gates.remarks():
            self.emit(Warned(remark))
        self.emit(Statistics(self._agents.cache.statistics, self._agents.pool.statistics))
        self._outcome = self._so_far(self._outcome)
        return self._outcome

    async def _played(self) -> RunReport:
        """How the pattern ended, and what is to be said of all of it."""
        report, deck, course = self._blank, self._deck, self._course
        try:
            playing = _play(self._plan, self._around, deck, course, self._agents, self._ledger, self._gates)
            with self._ledger.told_of_time():
                report = await self._in_time(playing)
            if report.status in ("success", "paused"):
                self._ledger.audit()
            if report.status == "success":
                deck.audit()
                report = _with_an_answer(report, course)
                if deck.plays_only and (unused := deck.unused):
                    report = replace(report, unused=tuple(unused))
                    course.warn(
                        f"recordings that nothing asked for: {deck.named(unused)}; to be rid of them: {deck.again}"
                    )
        except (BudgetExceeded, RecordingProblem) as problem:
            report = _failed(report, problem)
        return report

    async def _in_time(self, playing: Coroutine[Any, Any, Scope]) -> RunReport:
        """The report of how the pattern ended, without the statistics."""
        plan, report, seconds = self._plan, self._blank, self._plan.limits.timeout_s
        self._deadline = None if seconds is None else self._clock() + seconds
        try:
            async with asyncio.timeout_at(self._deadline):
                scope = await playing
            return _with_outputs(plan, report, scope, self._around.trace)
        except RunPaused as pause:
            return replace(report, status=pause.status, exit_code=pause.exit_code, response=pause.response)
        except RunnerError as error:
            return _failed(report, error)
        except TimeoutError:
            told = f"the run took longer than {seconds:g} s (input 'timeout', or budgets.max_duration_s)"
            return _failed(report, RunTimeout(told))
        except asyncio.CancelledError:
            return _failed(report, RunCancelled("the run was asked to stop"))
        except Exception as error:
            self.emit(Crashed(self._around.scrub(traceback.format_exc())))
            return _failed(report, RunnerError(f"a bug of ours: {type(error).__name__}: {error}"))

    def _so_far(self, outcome: RunReport) -> RunReport:
        """`outcome` with all that there is to tell by now."""
        course, agents, steps = self._course, self._agents, self._course.steps
        outputs = outcome.step_outputs
        if outcome.status not in ("success", "skipped") and not any(outputs.values()):
            outputs = partial_outputs(self._plan, course.ended, _names(self._plan, outcome))
        return replace(
            outcome,
            duration_ms=round(1000 * (self._clock() - self._started)),
            step_outputs=outputs,
            steps=steps,
            needs=course.needs,
            cache=agents.cache.statistics,
            clients=agents.pool.statistics,
            budget=self._ledger.statistics,
            warnings=course.warnings,
        )


def _live_agents(plan: Plan, around: Surroundings, deck: Deck, ledger: Ledger, emit: Emit) -> LiveAgents:
    from runner.agents.live import LiveAgents  # the SDK: half a second that validate, plan and --help do without
    from runner.agents.providers import Home
    from runner.agents.tools.bench import Bench
    from runner.plan.templates import render

    environ = {**around.environ, **around.secrets}  # a secret that is called as a provider's key is that key
    home = Home(environ, plan.limits.max_parallel, plan.limits.timeouts)
    names = {**of_inputs(plan.variables), "secrets": around.secrets}
    own = [] if around.artifacts is None else [around.artifacts]
    secret = [around.workspace / one.path for one in plan.secrets if one.source == "file" and one.path]
    bench = Bench(
        around.workspace,
        (*own, *secret),
        around.now,
        around.environ,
        fill=lambda text: render(text, names),
        scrub=around.scrub,
        deny_network=plan.deny_network,
    )
    real = deck.tools_live or not deck.plays_only
    return LiveAgents(home, plan.tools, bench, ledger, emit, around.span, plan.context, real_tools=real)


async def _play(
    plan: Plan, around: Surroundings, deck: Deck, course: Course, agents: LiveAgents, ledger: Ledger, gates: Gates
) -> Scope:
    """Open what the run needs, and let the pattern run. Returns the scope behind it. Raises RecordingProblem for a
    replay of steps that were recorded otherwise, before it takes one."""
    deck.check()
    gates.expect(plan.gates())
    notebook = None if deck.plays_only else _notebook(plan.context, around, once=deck.mode == "resume")
    emit = course.emit
    invoke = wrapped(agents.invoke, plan, ledger=ledger, deck=deck, notebook=notebook, emit=emit, random=around.random)
    keep = partial(let_go, spill=around.spill)
    run_step = step_runner(invoke, gates, emit=course.emit, now=around.now, span=around.span, keep=keep)
    run_step = course.followed(run_step)
    if notebook is not None and (strange := await notebook.open()):
        course.emit(Warned(strange))
    await agents.open()
    flow, span = plan.flow, around.span
    with span("workflow.execute", workflow=plan.name, config_hash=plan.config_hash), span(f"pattern.{flow.type}"):
        return await PATTERNS[flow.type](flow, Scope(of_inputs(plan.variables)), run_step)


def _notebook(asked: ContextPlan, around: Surroundings, *, once: bool) -> Notebook | None:
    if asked.notes is None:
        return None
    return Notebook(
        around.workspace,
        asked.notes.file,
        as_json=asked.notes.format == "json",
        closed=around.artifacts,
        now=around.now,
        scrub=(lambda text: redact(around.scrub(text))) if asked.redact_pii else around.scrub,
        once=once,
    )


def _with_outputs(plan: Plan, report: RunReport, scope: Scope, trace: Callable[[], str] = lambda: "") -> RunReport:
    """The answer of the pattern, and what the file asks to be made of it."""
    from runner.plan.templates import render, value

    names = {**_names(plan, report), **scope.for_templates()}
    with_trace = {"TRACE": trace(), **names} if any("TRACE" in text for _, text in plan.artifacts) else names
    try:
        outputs = {
            name: _made(f"step_outputs.{name}", render, template, names) for name, template in plan.step_outputs.items()
        }
        artifacts: dict[str, str] = {}
        for index, (path_template, text) in enumerate(plan.artifacts):
            path = _made(f"artifacts[{index}].path", render, path_template, names)
            if path in artifacts:
                raise TemplateProblem(f"outputs.artifacts[{index}]: there is one with the path {path!r} before it")
            artifacts[path] = _made(f"artifacts[{index}].from", render, text, with_trace)
        data: Any = None if scope.joined else scope.last.data if scope.last else None
        to_post = scope.response if data is None else data
        if plan.post.source is not None:
            to_post = _made("post.from", value, plan.post.source, names)
    except TemplateProblem as problem:
        return _failed(replace(report, response=scope.response), problem)
    report = replace(report, response=scope.response, data=data, to_post=to_post)
    return replace(report, step_outputs=outputs, artifacts=artifacts)


def _made(place: str, by: Callable[[str, dict[str, Any]], T], template: str, names: dict[str, Any]) -> T:
    """What a template of the outputs gives. Raises TemplateProblem, with its place."""
    try:
        return by(template, names)
    except TemplateProblem as problem:
        raise TemplateProblem(f"outputs.{place}: {problem.message}") from None


def _names(plan: Plan, report: RunReport) -> dict[str, Any]:
    """What outputs may name beside answers."""
    own = {"name": plan.name, "timestamp": report.started.isoformat(timespec="seconds")}
    return {**own, **of_inputs(plan.variables)}


def _failed(report: RunReport, error: RunnerError) -> RunReport:
    path = error.path if isinstance(error, StepFailed | RecordingProblem) else None
    failure = Failure(error.title, error.message, path, error.findings)
    response = error.response or report.response
    return replace(report, status=error.status, exit_code=error.exit_code, failure=failure, response=response)


async def _close(agents: LiveAgents) -> str | None:
    """Close every client, and tell of one that would not be. A signal that comes meanwhile changes nothing: the
    run is over, and how it ended is known."""
    closing = asyncio.create_task(agents.close())
    while not closing.done():
        try:
            await asyncio.wait([closing], timeout=CLOSING_S)
            break
        except asyncio.CancelledError:
            continue
    if not closing.done():
        closing.cancel()
        problem = f"did not close within {CLOSING_S:g} s"
    elif closing.exception() is not None:
        problem = repr(closing.exception())
    else:
        return None
    return f"a client was not closed: {problem}"


def _with_an_answer(report: RunReport, course: Course) -> RunReport:
    """A run in which no condition held has done nothing, and says so; as does one whose answer was skipped. An empty
    shard has said so before it began."""
    if course.nothing_ran:
        if course.steps:
            course.warn("nothing ran: no step's `when` holds")
        return replace(report, status="skipped")
    if not report.response:
        course.warn("the run has no answer: every step that could give it was skipped")
    return report
