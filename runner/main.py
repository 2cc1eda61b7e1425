"""The door. Everything outside comes in here as an argument and everything made inside goes out here: environment,
arguments, clock, output, signals, and the way from an error to an exit code."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

from runner.ci.commands import answer, printable
from runner.ci.host import Host
from runner.credentials import scrubber
from runner.credentials.secrets import absent, needed
from runner.deliver import Delivery, Files, exit_code
from runner.errors import RunCancelled, RunnerError, RunPaused, SpecError, UsageError
from runner.folder import Folder
from runner.inputs import TESTS, ActionInputs, from_arguments, from_environ
from runner.log import Log, Patient
from runner.report.events import RunFinished, unheard
from runner.report.results import Failure, RunReport
from runner.report.summary import how_to_go_on

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from runner.calls.gates import Gates
    from runner.credentials.scrub import Scrubber
    from runner.errors import Finding
    from runner.plan.plan import Plan
    from runner.report.summary import Detail
    from runner.report.tested import CaseResult
    from runner.report.trace import SpanRecord
    from runner.tape.deck import Deck
    from runner.telemetry import Tracing

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What a host sends to end a job: https://github.com/actions/runner/blob/main/src/Runner.Sdk/ProcessInvoker.cs."""


UNFINISHED = '{"status": "failed", "steps": []}\n'
"""results.json of a run that was killed before it could write its own."""


def cli() -> int:
    """The process's own environment, arguments and streams through `main`."""
    stdout, stderr = cast("TextIO", Patient(sys.stdout)), cast("TextIO", Patient(sys.stderr))
    # The first process of a container does not hear of signals it has no handler for; the run has its own.
    for number in STOPPING:
        signal.signal(number, signal.default_int_handler)
    return main(sys.argv[1:], os.environ, cwd=Path.cwd(), stdout=stdout, stderr=stderr)


def main(
    arguments: Sequence[str],
    environ: Mapping[str, str],
    *,
    cwd: Path,
    stdout: TextIO,
    stderr: TextIO,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> int:
    """Run once and return the exit code. Never raises an Exception: a bug of ours is told and exits with 70."""
    scrub = scrubber(environ)
    log = Log(stderr, now, scrub)
    host = Host(environ, cwd, stderr, scrub)
    door = Door(environ, host, Delivery(host, scrub), log, stdout, now, scrub)
    inputs = ActionInputs()
    try:
        asked = from_arguments(arguments) if arguments else from_environ(environ)
        if isinstance(asked, str):
            stdout.write(asked)
            return 0
        inputs, log.debug = asked, asked.debug or host.debugging
        return door.serve(inputs)
    except RunnerError as error:
        return door.refuse(error, inputs)
    except KeyboardInterrupt:
        return door.refuse(RunCancelled("asked to stop before the run began"), inputs)
    except Exception as error:
        for line in traceback.format_exc().splitlines():
            log.line("ERROR", line)
        told = f"a bug of ours: {type(error).__name__}: {error}; please report the lines above"
        return door.refuse(RunnerError(told), inputs)


@dataclass
class Door:
    """One invocation: what came in, and the ways out."""

    environ: Mapping[str, str]
    host: Host
    delivery: Delivery
    log: Log
    stdout: TextIO
    now: Callable[[], datetime]
    scrub: Scrubber

    def serve(self, inputs: ActionInputs) -> int:
        """Do what the inputs ask for. Raises RunnerError for what cannot be done at all."""
        modes = {"validate": self.validate, "plan": self.plan, "test": self.test}
        serve = self.test if inputs.records_cases else modes.get(inputs.mode, self.run)
        return serve(inputs)

    # -- run ----------------------------------------------------------------------------------------------------------

    def run(self, inputs: ActionInputs) -> int:
        from runner.calls.recalled import gates_on_tape
        from runner.intake import plan_of
        from runner.tapes import tapes_of
        from runner.telemetry import Tracing

        plan = plan_of(inputs, self.host.workspace, need_values=True)
        self._advise(plan, inputs, annotate=False)
        asks = inputs.mode != "replay"
        # From here on nothing that is printed or written holds one.
        secrets = needed(
            plan, self.environ, self.host.workspace, self.scrub, models=asks, tools=asks, mask=self.host.mask
        )
        tracing = Tracing(self.environ, plan.telemetry, enabled=inputs.trace, scrub=self.scrub)
        self.host.write_outputs({"status": "failed"})  # stands when we are killed; the last value of a name wins
        artifacts = Folder.claim(self.host.workspace, inputs.artifacts_dir, UNFINISHED, self.scrub)
        warn = partial(self.log.line, "WARNING")
        with ExitStack() as handing_over:  # also what was written before it turned out that nothing can run
            handing_over.callback(artifacts.hand_over)
            tapes = tapes_of(inputs, plan, self.host.workspace, artifacts, self.scrub, warn)
            handing_over.callback(tapes.hand_over)
            deck = tapes.deck(plan, inputs)
            gates = gates_on_tape(deck, inputs.hitl_response, self.now)
            with _stopped_by_signals() as stop:
                self.host.group(printable(f"strands-action: {plan.name}"))
                if plan.shard is not None:
                    self.log.line("INFO", plan.shard.told)
                report, spans = self._executed(plan, secrets, deck, gates, tracing, stop, artifacts.directory)
                self.host.end_group()
                report = replace(report, exit_code=exit_code(report, inputs.fail_on))
                detail = cast("Detail", inputs.summary)
                traced = spans if inputs.trace else None
                report, files = self.delivery.run(
                    tapes.ended(report, deck, inputs), traced, artifacts, detail, self.now(), tracing.service
                )
                self._last_words(report, files)
                tracing.flush()
        return report.exit_code

    def _executed(
        self,
        plan: Plan,
        secrets: Mapping[str, str],
        deck: Deck,
        gates: Gates,
        tracing: Tracing,
        stop: Stop,
        artifacts: Path,
    ) -> tuple[RunReport, list[SpanRecord]]:
        from runner.report.trace import as_json
        from runner.run import Surroundings, run_plan
        from runner.telemetry import SEMCONV_VARIABLE, without_content

        # Read by the SDK when it makes its first span.
        os.environ[SEMCONV_VARIABLE] = without_content(self.environ.get(SEMCONV_VARIABLE, ""))
        self.log.take_over()
        around = Surroundings(
            self.environ,
            self.host.workspace,
            artifacts,
            self.log.event,
            self.now,
            tracing.span,
            secrets=secrets,
            scrub=self.scrub,
            trace=lambda: as_json(tracing.spans),
            deck=deck,
            gates=gates,
        )
        report = run_plan(plan, around, partial(stop.listening, self.log))
        return report, tracing.finish()

    def _last_words(self, report: RunReport, files: Files) -> None:
        for problem in files.trouble:
            self.log.line("ERROR", problem)
        if report.failure is not None:
            for finding in report.failure.findings:
                if finding.message not in report.failure.message:
                    self.log.line("ERROR", f"{report.failure.title}: {finding}")
            self.log.line("ERROR", f"{report.failure.title}: {report.failure.message}")
        elif report.status == "paused":
            for one in report.questions:
                self.log.line("WARNING", f"{RunPaused.title}: {one.path}: {one.prompt}")
            self.log.line("WARNING", how_to_go_on(report.questions))
        elif report.exit_code != 0:
            self.log.line("ERROR", f"fail-on: warning: {'; '.join(one.message for one in report.warnings)}")
        ran = len(report.steps) - report.count("skipped")
        self.log.event(RunFinished(report.status, ran, report.usage.total, report.duration_ms))
        if not self.host.present and report.response:
            # A terminal or a pipe; but in a container that a `run:` step starts, the runner reads it all the same.
            self.stdout.write(answer(self.scrub(report.response)))
            self.stdout.flush()
        trace = f" · Trace: {files.trace}" if files.trace else ""
        self.log.line("INFO", f"Results: {files.results} · Summary: {files.summary}{trace}")

    # -- test ---------------------------------------------------------------------------------------------------------

    def test(self, inputs: ActionInputs) -> int:
        """Run test cases, on their recordings or to make them."""
        from runner.report import cases
        from runner.testing.harness import Harness
        from runner.testing.trial import trial

        def tell(result: CaseResult) -> None:
            told = cases.line(result)
            self.log.line(told.level, told.text)

        self.host.write_outputs({"status": "failed"})
        artifacts = Folder.claim(self.host.workspace, inputs.artifacts_dir, UNFINISHED, self.scrub)
        self.log.take_over()
        try:
            with _stopped_by_signals() as stop:
                emit = self.log.event if self.log.debug else unheard
                watched = partial(stop.listening, self.log)
                harness = Harness(
                    self.host.workspace, self.environ, self.now, self.scrub, emit, watched, self.host.mask
                )
                done = trial(inputs, harness, tell)
                if done.live_left_out:
                    self.log.line("WARNING", f"{done.live_left_out} live cases were left out")
                exit_code, files = self.delivery.tested(done.session, inputs, artifacts)
                for problem in files.trouble:
                    self.log.line("ERROR", problem)
                last = cases.last_line(done.session)
                self.log.line(last.level, f"{last.text} · Results: {files.results} · Summary: {files.summary}")
                return exit_code
        finally:
            artifacts.hand_over()

    # -- validate and plan --------------------------------------------------------------------------------------------

    def validate(self, inputs: ActionInputs) -> int:
        """Check every file named, tell everything that is wrong with any, and run none."""
        from runner.intake import files_to_check, plan_of_file

        errors: list[RunnerError] = []
        advice: list[Finding] = []
        if inputs.prompt is not None:
            raise UsageError("there is no file to validate in a prompt; set 'spec', or mode: plan")
        files, others = files_to_check(inputs, self.host.workspace)
        for name in others:
            self.log.line("INFO", f"{name} skipped: not a workflow")
        if not files:
            raise UsageError("no file to validate; set 'spec' to a workflow file, several, a glob, or a directory")
        for name in files:
            try:
                if name.endswith(TESTS):
                    from runner.testing.cases import load  # its shapes, which workflows do without

                    found = load(name, self.host.workspace)
                    self.log.line("INFO", f"{name}: valid; {len(found)} test cases")
                    continue
                plan = plan_of_file(name, inputs, self.host.workspace, need_values=False)
                missing = absent(plan.secrets, self.environ, self.host.workspace)
                plan = replace(plan, warnings=(*plan.warnings, *missing))
                self._advise(plan, inputs, annotate=False)
                advice += plan.warnings
                self.log.line("INFO", f"{name}: valid; {plan.flow.type}, {len(plan.rows())} steps")
            except RunnerError as error:
                self._log_error(error)
                errors.append(error)
        # All at once: the host shows so many of a step, and the last one says how many more there are.
        self.host.annotate([finding for error in errors for finding in error.findings], "Invalid workflow")
        self.host.annotate(advice, "Advice")
        report = self._unrun_report(", ".join(files), "validate", errors)
        self.delivery.unrun(report, cast("Detail", inputs.summary))
        return report.exit_code

    def plan(self, inputs: ActionInputs) -> int:
        """Print what would run."""
        from runner.intake import plan_of
        from runner.report.planned import as_json, as_markdown, as_mermaid, as_text

        plan = plan_of(inputs, self.host.workspace, need_values=False)
        matrix = _matrix(plan, inputs)
        self._advise(plan, inputs)
        writers = {"text": as_text, "json": as_json, "mermaid": as_mermaid}
        text = matrix if inputs.plan_as == "matrix" else writers[inputs.plan_as](plan)
        for line in text.splitlines():
            self.stdout.write((printable(line) if self.host.present else line) + "\n")
        report = self._unrun_report(plan.name, "plan", [])
        report = replace(report, config_hash=plan.config_hash, shard=plan.shard, matrix=matrix.strip())
        self.delivery.unrun(report, "off")
        if inputs.summary != "off":
            self.host.write_summary(as_markdown(plan))
        return 0

    # -- what they share ----------------------------------------------------------------------------------------------

    def refuse(self, error: RunnerError, inputs: ActionInputs) -> int:
        """The way out for a run that never began."""
        self._log_error(error)
        self.host.annotate(error.findings, error.title)
        report = self._unrun_report(", ".join(inputs.spec) or "strands-action", inputs.mode, [error])
        try:
            self.delivery.unrun(report, cast("Detail", inputs.summary))
        except RunnerError as another:  # the run is refused already; this is one thing more to say
            self.log.line("ERROR", another.message)
        return error.exit_code

    def _log_error(self, error: RunnerError) -> None:
        for finding in error.findings:
            told = str(finding) if finding.at.file else finding.message
            self.log.line("ERROR", f"{error.title}: {told}")

    def _advise(self, plan: Plan, inputs: ActionInputs, *, annotate: bool = True) -> None:
        """Tell the advice about a plan. Raises SpecError where `fail-on: warning` makes errors of it."""
        if inputs.fail_on == "warning" and plan.warnings:
            raise SpecError(replace(warning, level="error") for warning in plan.warnings)
        for warning in plan.warnings:
            self.log.line("WARNING", str(warning))
        if annotate:  # a run tells them at its end, with those that came up in it
            self.host.annotate(plan.warnings, "Advice")

    def _unrun_report(self, name: str, mode: str, errors: Sequence[RunnerError]) -> RunReport:
        """The report of an invocation that ran nothing; the gravest of its errors gives status and exit code."""
        report = RunReport(name, "success", 0, mode, self.now(), 0)
        if not errors:
            return report
        worst = max(errors, key=lambda error: error.exit_code)
        findings = tuple(finding for error in errors for finding in error.findings)
        failure = Failure(worst.title, worst.message, findings=findings)
        return replace(report, status=worst.status, exit_code=worst.exit_code, failure=failure)


def _matrix(plan: Plan, inputs: ActionInputs) -> str:
    """The plan's shards as a matrix. Where it has none it is empty, unless somebody asked for just that."""
    from runner.plan.shards import jobs
    from runner.report.planned import as_matrix

    if inputs.shard is not None:
        return ""
    try:
        return as_matrix(jobs(plan, inputs.shards))
    except UsageError:
        if inputs.plan_as == "matrix":
            raise
        return ""


class Stop:
    """What the first signal does: cancel the run. Another one while it is stopping leaves at once."""

    def __init__(self) -> None:
        self._received = False
        self._cancel: Callable[[str], Any] = lambda name: None

    @contextmanager
    def listening(self, log: Log, task: asyncio.Task[RunReport]) -> Iterator[None]:
        """Here the first signal cancels `task`; also one that came before. Behind it the run has ended, and what it
        leaves is written in any case."""

        def cancel(name: str) -> None:
            log.line("WARNING", f"{name} received: stopping; once more leaves at once")
            task.cancel()

        self._cancel = lambda name: task.get_loop().call_soon_threadsafe(cancel, name)
        if self._received:
            self._cancel("a signal")
        try:
            yield
        finally:
            self._cancel = lambda name: None

    def receive(self, number: int, _: object = None) -> None:
        if self._received:
            os._exit(130)
        self._received = True
        self._cancel(signal.Signals(number).name)


@contextmanager
def _stopped_by_signals() -> Iterator[Stop]:
    """Catch the host's signals until everything is written."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop  # only the main thread hears of signals
        return
    before = {number: signal.signal(number, stop.receive) for number in STOPPING}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
