"""One invocation: what came in, the ways out, and what all modes do with them. What each does alone is in `modes`."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import field, replace
from typing import TYPE_CHECKING, TextIO, cast

from runner.ci.host import Host
from runner.ci.voice import Voice
from runner.credentials import scrubber
from runner.credentials.secrets import there
from runner.deliver import Delivery, unrun_report
from runner.errors import Finding, Location, RunnerError, SpecError
from runner.log import Log
from runner.records import dataclass
from runner.report.results import RunReport
from runner.stopping import Stop
from runner.trust import standing_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime
    from pathlib import Path

    from runner.credentials.scrub import Scrubber
    from runner.inputs import ActionInputs
    from runner.plan.plan import Plan
    from runner.report.results import Trust
    from runner.report.summary import Detail
    from runner.run import Run
    from runner.trust import Standing
    from runner.watchdog import Watchdog


@dataclass
class Door:
    """One invocation. `leave` ends the process; `export` sets a variable of it, for what reads its environment itself;
    `last` is open while a run has so many seconds, and may end the process."""

    environ: Mapping[str, str]
    host: Host
    log: Log
    stdout: TextIO
    now: Callable[[], datetime]
    scrub: Scrubber
    stop: Stop
    last: Callable[[float | None], AbstractContextManager[object]]
    leave: Callable[[int], object]
    export: Callable[[str, str], object]
    delivery: Delivery = field(init=False)
    standing: Standing = field(init=False)

    def __post_init__(self) -> None:
        self.delivery = Delivery(self.host, self.scrub)

    def stand(self, inputs: ActionInputs) -> None:
        """Find out for whom this is, before anything is done."""
        self.scrub.learn([inputs.github_token] if inputs.github_token else [])
        self.standing = standing_of(inputs, self.environ, self.host.workspace, hosted=self.host.present)
        trust = self.standing.trust
        self.believe(trust, trust.told)
        # Stands when we are killed: the last value of a name wins.
        self.host.write_outputs({"status": "failed", "trust": trust.word})

    def believe(self, trust: Trust, told: str) -> None:
        """Say for whom the run is in all that it leaves, and here what is new of it."""
        self.delivery = replace(self.delivery, trust=trust)
        self.log.line("DEBUG" if trust.trusted else "WARNING", told)

    def learn(self, plan: Plan) -> None:
        """Keep the file's secrets to ourselves also where nobody is given them."""
        self.scrub.learn(there(plan.secrets, self.environ, self.host.workspace))

    def advise(self, plan: Plan, inputs: ActionInputs, *, annotate: bool = True) -> None:
        """Tell the advice about a plan. Raises SpecError where `fail-on: warning` makes errors of it."""
        if inputs.fail_on == "warning" and plan.warnings:
            raise SpecError(replace(warning, level="error") for warning in plan.warnings)
        for warning in plan.warnings:
            self.log.line("WARNING", str(warning))
        if annotate:  # a run tells them at its end, with those that came up in it
            self.host.annotate(plan.warnings, "Advice")

    @contextmanager
    def watched(self, watchdog: Watchdog, run: Run) -> Iterator[None]:
        """What is open around the task of a run."""
        with self.stop.listening(self.log, run.task), watchdog.watching(run):
            yield

    # -- where nothing runs -------------------------------------------------------------------------------------------

    def refuse(self, error: RunnerError, inputs: ActionInputs) -> int:
        """The way out for a run that never began."""
        self.tell(error)
        self.log.help(error.title)
        self.host.annotate(error.findings, error.title)
        report = self.unrun(", ".join(inputs.spec) or "strands-action", inputs.mode, [error])
        try:
            self.delivery.unrun(report, cast("Detail", inputs.summary))
        except RunnerError as another:  # the run is refused already; this is one thing more to say
            self.log.line("ERROR", another.message)
        return error.exit_code

    def skip(self, why: str, inputs: ActionInputs) -> int:
        """The way out where nothing is to be run; no failure, and nobody overlooks it."""
        self.log.line("WARNING", why)
        self.host.annotate([Finding(why, Location(""), level="warning")], "Skipped")
        report = self.unrun(", ".join(inputs.spec) or "strands-action", inputs.mode)
        self.delivery.unrun(replace(report, status="skipped", idle=why), cast("Detail", inputs.summary))
        return 0

    def tell(self, error: RunnerError) -> None:
        """Log all that was found."""
        for finding in error.findings:
            told = str(finding) if finding.at.file else finding.message
            self.log.line("ERROR", f"{error.title}: {told}")

    def unrun(self, name: str, mode: str, errors: Sequence[RunnerError] = ()) -> RunReport:
        """The report of what did not run, with why."""
        return unrun_report(RunReport(name, "success", 0, mode, self.now(), 0), errors)


def opened(
    environ: Mapping[str, str],
    cwd: Path,
    stdout: TextIO,
    stderr: TextIO,
    now: Callable[[], datetime],
    last: Callable[[float | None], AbstractContextManager[object]],
    leave: Callable[[int], object],
    export: Callable[[str, str], object],
) -> Door:
    """The door of a process with these surroundings."""
    scrub = scrubber(environ)
    voice = Voice(stderr)
    log = Log(cast("TextIO", voice), now, scrub)
    return Door(environ, Host(environ, cwd, voice, scrub), log, stdout, now, scrub, Stop(leave), last, leave, export)
