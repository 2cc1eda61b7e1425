"""The door. Everything outside comes in here as an argument and everything made inside goes out here: environment,
arguments, clock, output, signals, and the way from an error to an exit code."""

from __future__ import annotations

import faulthandler
import os
import resource
import signal
import sys
import traceback
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn, TextIO, cast

from runner.ci.commands import answer
from runner.ci.host import Host
from runner.ci.voice import Voice
from runner.credentials import scrubber
from runner.credentials.secrets import absent, needed, there
from runner.deliver import Delivery, unrun_report
from runner.ending import Ending
from runner.errors import Finding, Location, RunCancelled, RunnerError, SpecError, UsageError
from runner.folder import Folder
from runner.guard import STOPPING, guard
from runner.inputs import TESTS, ActionInputs, from_environ
from runner.log import Log, Patient
from runner.posting import MOST_S, Posts
from runner.report.events import unheard
from runner.report.posted import line as told_of
from runner.report.results import RunReport
from runner.stopping import Stop
from runner.trust import standing_of
from runner.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from runner.calls.gates import Gates
    from runner.credentials.scrub import Scrubber
    from runner.facts.gather import Sources
    from runner.plan.plan import Plan
    from runner.posting import Posting
    from runner.report.results import Trust
    from runner.report.summary import Detail
    from runner.report.tested import CaseResult
    from runner.run import Run
    from runner.trust import Standing

UNFINISHED = '{"status": "failed", "steps": []}\n'
"""results.json of a run that was killed before it could write its own."""

LAST_S: Final = 30.0
"""How long after its deadline a run is ended where not even a thread of its own can do it."""


def cli() -> NoReturn:
    """The process's own environment, arguments and streams through `main`."""
    guard()
    for number in STOPPING:  # behind `main` there is nothing to stop
        signal.signal(number, lambda *_: None)  # not SIG_IGN, which forgets what has been waiting until now
    with suppress(RuntimeError, OSError):  # without a stderr
        faulthandler.enable()  # the guard asks where a run stands that does not end
    # That ends in an abort, and a core in the workspace would hold every secret.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if not sys.argv[1:] and os.environ.get("GITHUB_ACTIONS") == "true":
        # As the action both are the job's log. Two pipes have no order, in which what stops commands must be first.
        with suppress(OSError):
            os.dup2(2, 1)
    stdout, stderr = cast("TextIO", Patient(sys.stdout)), cast("TextIO", Patient(sys.stderr))
    code = main(sys.argv[1:], os.environ, cwd=Path.cwd(), stdout=stdout, stderr=stderr, last=_last)
    # Everything is written. A thread that still waits for a name to be looked up would hold the exit.
    os._exit(code)


@contextmanager
def _last(timeout_s: float | None) -> Iterator[None]:
    """The last line of defence: a timer that needs no interpreter ends the process of a run that is far too late."""
    if timeout_s is None or not faulthandler.is_enabled():
        yield
        return
    with suppress(OverflowError):  # more than a timer can count
        faulthandler.dump_traceback_later(timeout_s + LAST_S, exit=True, file=sys.__stderr__ or 2)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def main(
    arguments: Sequence[str],
    environ: Mapping[str, str],
    *,
    cwd: Path,
    stdout: TextIO,
    stderr: TextIO,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    last: Callable[[float | None], AbstractContextManager[object]] = nullcontext,
) -> int:
    """Run once and return the exit code. Never raises an Exception: a bug of ours is told and exits with 70.

    `last` is open while a run has so many seconds, and may end a process that is nobody else's.
    """
    scrub = scrubber(environ)
    voice = Voice(stderr)
    log = Log(cast("TextIO", voice), now, scrub)
    host = Host(environ, cwd, voice, scrub)
    stop = Stop(os._exit)
    door = Door(environ, host, Delivery(host, scrub), log, stdout, now, scrub, stop, last)
    inputs = ActionInputs()
    with log.taking_over():
        try:
            with stop.catching():
                asked = _asked(arguments, environ)
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
            for line in scrub(traceback.format_exc()).splitlines():
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
    stop: Stop
    last: Callable[[float | None], AbstractContextManager[object]]
    standing: Standing = field(init=False)

    def serve(self, inputs: ActionInputs) -> int:
        """Do what the inputs ask for. Raises RunnerError for what cannot be done at all."""
        self.scrub.learn([inputs.github_token] if inputs.github_token else [])
        self.standing = standing_of(inputs, self.environ, self.host.workspace, hosted=self.host.present)
        trust = self.standing.trust
        self._believe(trust, trust.told)
        # Stands when we are killed: the last value of a name wins.
        self.host.write_outputs({"status": "failed", "trust": trust.word})
        if why := self.standing.outsider:
            return self.skip(f"nothing runs, as only writers may start it ('only-writers'): {why}", inputs)
        self.standing.refuse()
        modes = {"validate": self.validate, "plan": self.plan, "test": self.test}
        serve = self.test if inputs.records_cases else modes.get(inputs.mode, self.run)
        return (serve if inputs.post_plan is None else self.post)(inputs)

    def _believe(self, trust: Trust, told: str) -> None:
        """Say for whom the run is in all that it leaves, and here what is new of it."""
        self.delivery = replace(self.delivery, trust=trust)
        self.log.line("DEBUG" if trust.trusted else "WARNING", told)

    # -- run ----------------------------------------------------------------------------------------------------------

    def run(self, inputs: ActionInputs) -> int:
        from runner.calls.recalled import gates_on_tape
        from runner.facts.gather import informed
        from runner.intake import plan_of
        from runner.tapes import tapes_of
        from runner.telemetry import Tracing

        with self.standing.sources() as home:
            plan = plan_of(inputs, home, need_values=True, read_only=self.standing.read_only)
        plan = self.standing.fitted(plan)
        self._learn(plan)
        if plan.withheld:
            trust = self.standing.trust
            told = f"not given to agents: {', '.join(plan.withheld)}"
            self._believe(replace(trust, otherwise=f"{trust.otherwise}; {told}"), told)
        self._advise(plan, inputs, annotate=False)
        posts = self._posts(inputs)
        target = posts.target()
        asks = inputs.mode != "replay"
        # From here on nothing that is printed or written holds one.
        secrets = needed(
            plan, self.environ, self.host.workspace, self.scrub, models=asks, tools=asks, mask=self.host.mask
        )
        tracing = Tracing(self.environ, plan.telemetry, enabled=inputs.trace, scrub=self.scrub)
        artifacts = Folder.claim(self.host.workspace, inputs.artifacts_dir, UNFINISHED, self.scrub)
        warn = partial(self.log.line, "WARNING")
        tapes = tapes_of(inputs, plan, self.host.workspace, artifacts, self.scrub, warn)
        plan, facts = informed(plan, self._sources(inputs, tapes.fixtures, warn), artifacts)
        deck = tapes.deck(plan, inputs)
        gates = gates_on_tape(deck, inputs.hitl_response, self.now)
        ending = Ending(
            inputs, self.delivery, self.host, self.log, self.stdout, self.now, artifacts, tapes, deck, tracing
        )
        if inputs.post != "none":
            ending.posting = posts.of_run(plan, facts, target, artifacts)
        if idle := posts.idle(self._unrun_report(plan.name, inputs.mode, []), facts):
            self.log.line("INFO", idle.idle)
            return ending.of(idle)
        with Watchdog(self.stop, ending.cut_off, os._exit) as watchdog:
            self.host.group(f"strands-action: {plan.name}")
            if plan.shard is not None:
                self.log.line("INFO", plan.shard.told)
            with self.host.quiet():
                with self.last(plan.limits.timeout_s):
                    report = self._executed(plan, secrets, gates, ending, watchdog)
                code = ending.of(self._posted(ending.judged(report), ending.posting))
            tracing.flush()
        return code

    def _sources(self, inputs: ActionInputs, recordings: Folder, tell: Callable[[str], object]) -> Sources:
        from runner.facts.gather import Sources

        event, api, workspace = self.standing.event, self.standing.api, self.host.workspace
        return Sources(inputs, self.environ, workspace, recordings, event, api, tell, self.scrub)

    def _executed(
        self, plan: Plan, secrets: Mapping[str, str], gates: Gates, ending: Ending, watchdog: Watchdog
    ) -> RunReport:
        from runner.report.trace import as_json
        from runner.run import Surroundings, run_plan
        from runner.telemetry import SEMCONV_VARIABLE, without_content

        # Read by the SDK when it makes its first span.
        os.environ[SEMCONV_VARIABLE] = without_content(self.environ.get(SEMCONV_VARIABLE, ""))
        around = Surroundings(
            self.environ,
            self.host.workspace,
            ending.artifacts.directory,
            self.log.event,
            self.now,
            ending.tracing.span,
            secrets=secrets,
            scrub=self.scrub,
            trace=lambda: as_json(ending.tracing.spans),
            deck=ending.deck,
            gates=gates,
        )

        @contextmanager
        def watched(run: Run) -> Iterator[None]:
            ending.run = run
            with self._watched(watchdog, run):
                yield

        return run_plan(plan, around, watched)

    @contextmanager
    def _watched(self, watchdog: Watchdog, run: Run) -> Iterator[None]:
        """What is open around the task of a run."""
        with self.stop.listening(self.log, run.task), watchdog.watching(run):
            yield

    # -- post ---------------------------------------------------------------------------------------------------------

    def post(self, inputs: ActionInputs) -> int:
        """Post the plan of another job. Nothing else runs."""
        from runner.intake import plan_of

        file, allowed = "", None
        if inputs.spec:
            with self.standing.sources() as home:
                plan = plan_of(inputs, home, need_values=False, read_only=self.standing.read_only)
            file, allowed = plan.file, plan.post
        posting = self._posts(inputs).of_plan(self.host.workspace, file, allowed)
        blank, detail = self._unrun_report("post-plan", "live", []), cast("Detail", inputs.summary)

        def give_up(why: RunnerError | None) -> int:
            self.delivery.unrun(posting.cut_off(blank), detail)
            return RunCancelled.exit_code

        with Watchdog(self.stop, give_up, os._exit), self.host.quiet():
            report = self._posted(blank, posting)
            self.delivery.unrun(report, detail)
        self.delivery.tell(report)
        self.log.line("ERROR" if report.failure else "INFO", told_of(report))
        return report.exit_code

    def _posts(self, inputs: ActionInputs) -> Posts:
        standing, tell = self.standing, partial(self.log.line, "INFO")
        foreign = inputs.post_plan is not None and not standing.trust.trusted
        return Posts(inputs, self.environ, standing.event, standing.api, self.delivery, tell, foreign)

    def _posted(self, report: RunReport, posting: Posting | None) -> RunReport:
        """The report with what was posted, when nobody asked to stop."""
        if posting is None or report.status != "success":
            return report if posting is None else posting.cut_off(report)
        try:
            with self.stop.interrupting(), self.last(MOST_S):
                return posting.of(report)
        except KeyboardInterrupt:
            return posting.cut_off(report)

    # -- test ---------------------------------------------------------------------------------------------------------

    def test(self, inputs: ActionInputs) -> int:
        """Run test cases, on their recordings or to make them."""
        from runner.report import cases
        from runner.testing.harness import Harness
        from runner.testing.trial import trial

        def tell(result: CaseResult) -> None:
            told = cases.line(result)
            self.log.line(told.level, told.text)

        def give_up(why: RunnerError | None) -> int:
            self.log.line("ERROR", str(why or "a run has ended and does not let go"))
            return 70 if why is None else why.exit_code

        artifacts = Folder.claim(self.host.workspace, inputs.artifacts_dir, UNFINISHED, self.scrub)
        with Watchdog(self.stop, give_up, os._exit) as watchdog, self.host.quiet():
            emit = self.log.event if self.log.debug else unheard
            watched = partial(self._watched, watchdog)
            harness = Harness(self.host.workspace, self.environ, self.now, self.scrub, emit, watched, self.host.mask)
            trusted = self.standing.trust.trusted
            done = trial(inputs, harness, tell, trusted=trusted)
            if done.left_out:
                kind = "live cases" if trusted else "cases that are live or use real tools"
                self.log.line("WARNING", f"{done.left_out} {kind} were left out")
            exit_code, files = self.delivery.tested(done.session, inputs, artifacts)
            for problem in files.trouble:
                self.log.line("ERROR", problem)
            last = cases.last_line(done.session)
            self.log.line(last.level, f"{last.text} · Results: {files.results} · Summary: {files.summary}")
            return exit_code

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
                plan = self.standing.fitted(plan_of_file(name, inputs, self.host.workspace, need_values=False))
                self._learn(plan)
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
        self._learn(self.standing.fitted(plan))
        matrix = _matrix(plan, inputs)
        self._advise(plan, inputs)
        writers = {"text": as_text, "json": as_json, "mermaid": as_mermaid}
        text = matrix if inputs.plan_as == "matrix" else writers[inputs.plan_as](plan)
        self.stdout.write(answer(self.scrub(text).removesuffix("\n")))
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

    def skip(self, why: str, inputs: ActionInputs) -> int:
        """The way out where nothing is to be run; no failure, and nobody overlooks it."""
        self.log.line("WARNING", why)
        self.host.annotate([Finding(why, Location(""), level="warning")], "Skipped")
        report = self._unrun_report(", ".join(inputs.spec) or "strands-action", inputs.mode, [])
        self.delivery.unrun(replace(report, status="skipped", idle=why), cast("Detail", inputs.summary))
        return 0

    def _learn(self, plan: Plan) -> None:
        """Keep the file's secrets to ourselves also where nobody is given them."""
        self.scrub.learn(there(plan.secrets, self.environ, self.host.workspace))

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
        return unrun_report(RunReport(name, "success", 0, mode, self.now(), 0), errors)


def _asked(arguments: Sequence[str], environ: Mapping[str, str]) -> ActionInputs | str:
    """What is to be done, or what to print where nothing is."""
    if not arguments:
        return from_environ(environ)
    from runner.arguments import from_arguments

    return from_arguments(arguments)


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
