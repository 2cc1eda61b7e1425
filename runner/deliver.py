"""RunReport to everything a run leaves: files, step outputs, job summary, annotations."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass, replace
from functools import partial
from operator import is_not
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final, TypeVar

from runner.answers import SpilledResult
from runner.errors import FileProblem, Finding, RunnerError, RunPaused, TookMore
from runner.records import dataclass
from runner.report import nested
from runner.report.outputs import Paths, outputs, results_json
from runner.report.results import OUTPUTS, Failure, RunReport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from runner.ci.host import Host
    from runner.folder import Folder
    from runner.inputs import ActionInputs
    from runner.report.results import Trust
    from runner.report.summary import Detail
    from runner.report.tested import Session
    from runner.report.verdicts import Review
    from runner.spans import Spans

OWN_FILES = frozenset(
    {"results.json", "summary.md", "review.md", "review.json", "post-plan.json", "facts.json", "tape"}
)
OWN_PREFIXES = ("trace-", "run-")
"""Names in the artifacts directory that are the run's own, whatever an artifact's path says."""

FORGIVEN = frozenset({"failed", "budget", "timeout"})
"""What `fail-on: never` forgives: ways a run that began can end. Bad input and our own bugs are never forgiven; a run
that waits for a human has not ended, and must not look as if it had."""


@dataclass(frozen=True)
class Files:
    """Where everything of a run was written, as users name it; `trace` is empty when there is none."""

    results: str
    summary: str
    trace: str
    trouble: tuple[str, ...] = ()
    """What could not be written, in sentences."""


@dataclass(frozen=True)
class Delivery:
    """The ways out of one invocation."""

    host: Host
    scrub: Callable[[str], str]
    trust: Trust | None = None

    def run(
        self,
        report: RunReport,
        spans: Spans | None,
        artifacts: Folder,
        detail: Detail,
        now: datetime,
        service: str,
    ) -> tuple[RunReport, Files]:
        """Write what a run that began leaves. What cannot be written fails the run and keeps nothing else from being.

        Returns the report as it was written, with such a failure in it.
        """
        from runner.report.summary import summary

        attempt = Attempts()
        trouble = attempt.trouble
        report = clean(replace(report, trust=self.trust), self.scrub)
        for name, text in report.artifacts.items():
            attempt(partial(_artifact, name, text, artifacts))
        trace = "" if spans is None else attempt(lambda: _trace(spans, artifacts, now, service))
        report = _with(trouble, report)
        results = attempt(lambda: artifacts.shown(artifacts.write("results.json", results_json(report))))
        told = summary(report, "full" if detail == "off" else detail)
        where = attempt(lambda: artifacts.shown(artifacts.write("summary.md", told)))
        if detail != "off":
            attempt(lambda: self.host.write_summary(told))
        review = "" if report.review is None else attempt(partial(_review, report.review, artifacts))
        report = _with(trouble, report)
        self.host.write_outputs(outputs(report, Paths(results, trace, review)))
        return report, Files(results, where, trace, tuple(error.message for error in trouble))

    def ahead(self, report: RunReport, artifacts: Folder) -> None:
        """Write what is to be read of a run that is killed from here on. What cannot be written is told at its end."""
        with suppress(RunnerError):
            artifacts.write("results.json", results_json(clean(replace(report, trust=self.trust), self.scrub)))

    def tell(self, report: RunReport) -> None:
        """Say in the log what came of a run. When all is written: nobody may read it, and then it takes no more."""
        self.host.speak()
        self.host.end_group()
        if report.failure is not None:
            self.host.annotate(report.failure.findings, report.failure.title)
        asked = [Finding(f"{one.path}: {one.prompt}", one.at, level="warning") for one in report.questions]
        self.host.annotate(asked, RunPaused.title)
        self.host.annotate(report.warnings, "Advice")

    def unrun(self, report: RunReport, detail: Detail) -> None:
        """Write what an invocation leaves that ran nothing: outputs and a summary."""
        report = clean(replace(report, trust=self.trust), self.scrub)
        self.host.write_outputs(outputs(report, Paths()))
        if self.host.takes_summaries and detail != "off":
            from runner.report.summary import summary  # most files are checked where nobody takes one

            self.host.write_summary(summary(report, "brief"))

    def tested(self, session: Session, inputs: ActionInputs, artifacts: Folder) -> tuple[int, Files]:
        """Write what test cases leave: their files, the table, outputs, annotations. What cannot be written fails the
        session and keeps nothing else from being. Returns the exit code, and what was written where."""
        from runner.report import cases  # these are for test cases alone
        from runner.report.junit import junit

        session = _mapped(session, self.scrub)
        attempt, told = Attempts(), cases.summary(session, self.trust)

        def write(name: str, text: str) -> str:
            return attempt(lambda: artifacts.shown(artifacts.write(name, text)))

        junit_path = write("junit.xml", junit(session))
        results = write("results.json", cases.as_json(session, inputs.mode))
        where = write("summary.md", told)
        review = "" if session.review is None else attempt(partial(_review, session.review, artifacts))
        if inputs.summary != "off":
            attempt(lambda: self.host.write_summary(told))
        paths = {"results-path": results, "junit-path": junit_path, "review-path": review}
        status = {"status": attempt.trouble[0].status} if attempt.trouble and session.status == "success" else {}
        trust = {"trust": self.trust.word} if self.trust else {}
        self.host.write_outputs(dict.fromkeys(OUTPUTS, "") | cases.outputs(session) | paths | trust | status)
        self.host.speak()
        self.host.annotate(cases.findings(session), "Test case")
        self.host.annotate(TookMore(session.took_more).findings, TookMore.title)
        code = max([tests_exit_code(session, inputs.fail_on), *(error.exit_code for error in attempt.trouble)])
        return code, Files(results, where, "", tuple(error.message for error in attempt.trouble))


class Attempts:
    """Writes one thing after the other; what fails is remembered, and keeps nothing else from being written."""

    def __init__(self) -> None:
        self.trouble: list[RunnerError] = []

    def __call__(self, work: Callable[[], str | None]) -> str:
        """What the work gives, such as a file's name; nothing when it fails."""
        try:
            return work() or ""
        except RunnerError as error:
            self.trouble.append(error)
            return ""


def tests_exit_code(session: Session, fail_on: str) -> int:
    """The exit code under `fail-on`: a case that fails is forgiven as a run is, one that has an error is not, and
    neither is what takes too much; a flaky one is a warning."""
    from runner.report.tested import FAILED

    if fail_on == "never" and session.exit_code == FAILED and not session.took_more:
        return 0
    if fail_on == "warning" and session.exit_code == 0 and session.flaky:
        return FAILED
    return session.exit_code


Data = TypeVar("Data")


def clean(report: Data, scrub: Callable[[str], str]) -> Data:
    """A report, or a plan of a post, without secrets, also where a Markdown or JSON writer would make another text of
    one."""
    cleaned: Data = _mapped(report, scrub)
    return cleaned


OF_A_POST: Final = frozenset({"kind", "side", "conclusion", "place", "repository", "head"})
DEEP: Final = frozenset({"data", "to_post"})
"""Fields of a report that hold what a model made, as deep as it likes."""
LEFT_ALONE: Final = frozenset({"status", "mode", "pattern", "source", "level", "matrix"}) | OF_A_POST
"""Fields of a report whose texts are ours, where a secret that happens to be such a word is none."""


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    """A value with every text in it changed: itself where none is, for of most of a large report nothing is copied."""
    match value:
        case str():
            return change(value)
        case list() | tuple():
            mapped = [_mapped(one, change) for one in value]
            return type(value)(mapped) if any(map(is_not, mapped, value)) else value
        case Mapping():
            return {_mapped(key, change): _mapped(one, change) for key, one in value.items()}
    if isinstance(value, SpilledResult):
        return value.changed(_changes(value, value.held, change), change)
    if is_dataclass(value) and not isinstance(value, type):
        changes = _changes(value, [one.name for one in fields(value)], change)
        return replace(value, **changes) if changes else value
    return value


def _changes(value: Any, names: Iterable[str], change: Callable[[str], str]) -> dict[str, Any]:
    """Those of these fields that are others when every text in them is changed."""
    found = {name: getattr(value, name) for name in names if name not in LEFT_ALONE}
    mapped = {
        name: nested.changed(one, change) if name in DEEP else _mapped(one, change) for name, one in found.items()
    }
    return {name: one for name, one in mapped.items() if one is not found[name]}


def _artifact(name: str, text: str, artifacts: Folder) -> str:
    """Write what the file asked for, at a path that a model may have made."""
    first = PurePath(os.path.normpath(name)).parts[:1]
    if any(part in OWN_FILES or part.startswith(OWN_PREFIXES) for part in first):
        raise FileProblem("an artifact's path is the name of one of the run's own files")
    return artifacts.shown(artifacts.write(name, text))


def _review(review: Review, artifacts: Folder) -> str:
    from runner.report.review import as_json, as_markdown

    artifacts.write("review.json", as_json(review))
    return artifacts.shown(artifacts.write("review.md", as_markdown(review)))


def _trace(spans: Spans, artifacts: Folder, now: datetime, service: str) -> str:
    from runner.report.trace import as_json, as_otlp_lines

    stamp = f"trace-{now:%Y%m%dT%H%M%SZ}"
    artifacts.write(f"{stamp}.otlp.jsonl", as_otlp_lines(spans.by_scope(), service))
    return artifacts.shown(artifacts.write(f"{stamp}.json", as_json(spans.by_start())))


def _with(trouble: list[RunnerError], report: RunReport) -> RunReport:
    """The report, failed by the first thing that could not be written, unless it had failed before."""
    if not trouble or report.failure is not None:
        return report
    error = trouble[0]
    failure = Failure(error.title, error.message, findings=error.findings)
    return replace(report, status=error.status, exit_code=error.exit_code, failure=failure)


def unrun_report(report: RunReport, errors: Sequence[RunnerError]) -> RunReport:
    """The report of an invocation that ran nothing; the gravest of its errors gives status and exit code."""
    if not errors:
        return report
    worst = max(errors, key=lambda error: error.exit_code)
    findings = tuple(finding for error in errors for finding in error.findings)
    failure = Failure(worst.title, worst.message, findings=findings)
    return replace(report, status=worst.status, exit_code=worst.exit_code, failure=failure)


def exit_code(report: RunReport, fail_on: str) -> int:
    """The exit code under `fail-on`: a run may succeed with warnings that fail it, or fail and be forgiven."""
    if fail_on == "never" and report.status in FORGIVEN and report.exit_code != RunnerError.exit_code:
        return 0
    if fail_on == "warning" and report.status in ("success", "skipped") and report.warnings:
        return 20 if report.budget.warned else 14 if report.unused else 3
    return report.exit_code
