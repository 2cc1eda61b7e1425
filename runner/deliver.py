"""RunReport to everything a run leaves: files, step outputs, job summary, annotations."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING

from runner.errors import FileProblem, RunnerError
from runner.report.outputs import Paths, outputs, results_json
from runner.report.results import Failure, RunReport
from runner.report.summary import summary

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from runner.artifacts import Artifacts
    from runner.ci.host import Host
    from runner.report.summary import Detail
    from runner.report.trace import SpanRecord

OWN_FILES = frozenset({"results.json", "summary.md", "tape"})
OWN_PREFIXES = ("trace-", "run-")
"""Names in the artifacts directory that are the run's own, whatever an artifact's path says."""

FORGIVEN = frozenset({"failed", "budget", "timeout"})
"""What `fail-on: never` forgives: ways a run that began can end. Bad input and our own bugs are never forgiven."""


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

    def run(
        self, report: RunReport, spans: list[SpanRecord] | None, artifacts: Artifacts, detail: Detail, now: datetime
    ) -> tuple[RunReport, Files]:
        """Write what a run that began leaves. What cannot be written fails the run and keeps nothing else from being.

        Returns the report as it was written, with such a failure in it.
        """
        trouble: list[RunnerError] = []

        def attempt(work: Callable[[], str | None]) -> str:
            try:
                return work() or ""
            except RunnerError as error:
                trouble.append(error)
                return ""

        for name, text in report.artifacts.items():
            attempt(partial(_artifact, name, text, artifacts))
        trace = "" if spans is None else attempt(lambda: _trace(spans, artifacts, now))
        report = _with(trouble, report)
        results = attempt(lambda: artifacts.shown(artifacts.write("results.json", results_json(report))))
        told = summary(report, "full" if detail == "off" else detail)
        where = attempt(lambda: artifacts.shown(artifacts.write("summary.md", told)))
        if detail != "off":
            attempt(lambda: self.host.write_summary(told))
        report = _with(trouble, report)
        self.host.write_outputs(outputs(report, Paths(results, trace)))
        if report.failure is not None:
            self.host.annotate(report.failure.findings, report.failure.title)
        self.host.annotate(report.warnings, "Advice")
        return report, Files(results, where, trace, tuple(error.message for error in trouble))

    def unrun(self, report: RunReport, detail: Detail) -> None:
        """Write what an invocation leaves that ran nothing: outputs and a summary."""
        self.host.write_outputs(outputs(report, Paths()))
        if detail != "off":
            self.host.write_summary(summary(report, "brief"))


def _artifact(name: str, text: str, artifacts: Artifacts) -> str:
    """Write what the file asked for, at a path that a model may have made."""
    first = PurePath(os.path.normpath(name)).parts[:1]
    if any(part in OWN_FILES or part.startswith(OWN_PREFIXES) for part in first):
        raise FileProblem("an artifact's path is the name of one of the run's own files")
    return artifacts.shown(artifacts.write(name, text))


def _trace(spans: list[SpanRecord], artifacts: Artifacts, now: datetime) -> str:
    from runner.report.trace import as_json, as_otlp_lines

    stamp = f"trace-{now:%Y%m%dT%H%M%SZ}"
    artifacts.write(f"{stamp}.otlp.jsonl", as_otlp_lines(spans))
    return artifacts.shown(artifacts.write(f"{stamp}.json", as_json(spans)))


def _with(trouble: list[RunnerError], report: RunReport) -> RunReport:
    """The report, failed by the first thing that could not be written, unless it had failed before."""
    if not trouble or report.failure is not None:
        return report
    error = trouble[0]
    failure = Failure(error.title, error.message, findings=error.findings)
    return replace(report, status=error.status, exit_code=error.exit_code, failure=failure)


def exit_code(report: RunReport, fail_on: str) -> int:
    """The exit code under `fail-on`: a run may succeed with warnings that fail it, or fail and be forgiven."""
    if fail_on == "never" and report.status in FORGIVEN and report.exit_code != RunnerError.exit_code:
        return 0
    if fail_on == "warning" and report.status == "success" and report.warnings:
        return 20 if report.budget.warned else 3
    return report.exit_code
