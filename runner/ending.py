"""The end of one run: everything that it leaves, written once, by whoever comes first: the run itself, or the watchdog
that does not wait for it any longer."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, cast

from runner.ci.commands import answer
from runner.deliver import exit_code
from runner.errors import RunPaused
from runner.report.events import RunFinished
from runner.report.posted import line as posted
from runner.report.summary import how_to_go_on

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from typing import TextIO

    from runner.ci.host import Host
    from runner.deliver import Delivery, Files
    from runner.errors import RunnerError
    from runner.folder import Folder
    from runner.inputs import ActionInputs
    from runner.log import Log
    from runner.posting import Posting
    from runner.report.results import RunReport
    from runner.report.summary import Detail
    from runner.run import Run
    from runner.spans import Spans
    from runner.tape.deck import Deck
    from runner.tapes import Tapes
    from runner.telemetry import Tracing

WRITING_S: Final = 0.75
"""How long the files of a run that is given up are waited for: it was asked to end seconds ago."""


@dataclass
class Ending:
    """What is needed to end the run that these inputs ask for; `run` is known from when it begins."""

    inputs: ActionInputs
    delivery: Delivery
    host: Host
    log: Log
    stdout: TextIO
    now: Callable[[], datetime]
    artifacts: Folder
    tapes: Tapes
    deck: Deck
    tracing: Tracing
    run: Run | None = None
    posting: Posting | None = None
    """What is posted of the run, where anything is."""
    _code: int | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def judged(self, report: RunReport) -> RunReport:
        """How the run has ended when all is known of it but whether it was posted."""
        report = replace(report, exit_code=exit_code(report, self.inputs.fail_on))
        return self.tapes.ended(report, self.deck, self.inputs)

    def of(self, report: RunReport) -> int:
        """Write what the run leaves that was judged so, unless that has been done. Returns the exit code."""
        with self._lock:
            if self._code is None:
                self._write(report, self.tracing.finish())
            assert self._code is not None
            return self._code

    def cut_off(self, why: RunnerError | None) -> int:
        """Write what a run leaves that does not end by itself, in the time that there is. For another thread than the
        run's. Returns the exit code."""
        writing = threading.Thread(target=self._cut_off, args=[why], daemon=True)
        writing.start()
        writing.join(WRITING_S)
        # What was written stands; of what was not, the outputs have said from the beginning that it failed.
        return self._code if self._code is not None else 70 if why is None else why.exit_code

    def _cut_off(self, why: RunnerError | None) -> None:
        with self._lock:
            if self._code is not None or self.run is None:
                return
            try:
                report = self.judged(self.run.cut_off(why))
                report = report if self.posting is None else self.posting.cut_off(report)
                self._write(report, self.tracing.cut_off(self.now()))
            except Exception as error:
                self.log.line("ERROR", f"a bug of ours: {type(error).__name__}: {error}")

    def _write(self, report: RunReport, spans: Spans) -> None:
        report, files = self.delivery.run(
            report,
            spans if self.inputs.trace else None,
            self.artifacts,
            cast("Detail", self.inputs.summary),
            self.now(),
            self.tracing.service,
        )
        self._code = report.exit_code  # nothing is missing any more but what the log says
        self.delivery.tell(report)
        self._last_words(report, files)

    def _last_words(self, report: RunReport, files: Files) -> None:
        for problem in files.trouble:
            self.log.line("ERROR", problem)
        if report.failure is not None:
            for finding in report.failure.findings:
                if finding.message not in report.failure.message:
                    self.log.line("ERROR", f"{report.failure.title}: {finding}")
            self.log.line("ERROR", f"{report.failure.title}: {report.failure.message}")
            self.log.help(report.failure.title)
        elif report.status == "paused":
            for one in report.questions:
                self.log.line("WARNING", f"{RunPaused.title}: {one.path}: {one.prompt}")
            self.log.line("WARNING", how_to_go_on(report.questions))
            self.log.help(RunPaused.title)
        elif report.exit_code != 0:
            self.log.line("ERROR", f"fail-on: warning: {'; '.join(one.message for one in report.warnings)}")
        if told := posted(report):
            self.log.line("INFO", told)
        ran = len(report.steps) - report.count("skipped")
        self.log.event(RunFinished(report.status, ran, report.usage.total, report.duration_ms))
        if not self.host.present and (said := report.post_shown or report.response):
            # A terminal or a pipe; but in a container that a `run:` step starts, the runner reads it all the same.
            self.stdout.write(answer(self.delivery.scrub(said)))
            self.stdout.flush()
        trace = f" · Trace: {files.trace}" if files.trace else ""
        self.log.line("INFO", f"Results: {files.results} · Summary: {files.summary}{trace}")
