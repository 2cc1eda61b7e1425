"""RunReport to everything a run leaves: files, step outputs, job summary, annotations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runner.errors import RunnerError
from runner.report.outputs import Paths, outputs, results_json
from runner.report.results import Failure, RunReport
from runner.report.summary import summary

if TYPE_CHECKING:
    from datetime import datetime

    from runner.artifacts import Artifacts
    from runner.ci.host import Host
    from runner.report.summary import Detail
    from runner.report.trace import SpanRecord

FORGIVEN = frozenset({"failed", "budget", "timeout"})
"""What `fail-on: never` forgives: ways a run that began can end. Bad input and our own bugs are never forgiven."""


@dataclass(frozen=True)
class Files:
    """Where everything of a run was written, as users name it; `trace` is empty when there is none."""

    results: str
    summary: str
    trace: str


@dataclass(frozen=True)
class Delivery:
    """The ways out of one invocation."""

    host: Host

    def run(
        self, report: RunReport, spans: list[SpanRecord] | None, artifacts: Artifacts, detail: Detail, now: datetime
    ) -> tuple[RunReport, Files]:
        """Write what a run that began leaves. Returns the report again: an artifact may have been refused."""
        report = self._with_artifacts(report, artifacts)
        trace = "" if spans is None else self._trace(spans, artifacts, now)
        results = artifacts.shown(artifacts.write("results.json", results_json(report)))
        told = summary(report, "full" if detail == "off" else detail)
        files = Files(results, artifacts.shown(artifacts.write("summary.md", told)), trace)
        if detail != "off":
            self.host.write_summary(told)
        self.host.write_outputs(outputs(report, Paths(results, trace)))
        if report.failure is not None:
            self.host.annotate(report.failure.findings, report.failure.title)
        self.host.annotate(report.warnings, "Advice")
        return report, files

    def unrun(self, report: RunReport, detail: Detail) -> None:
        """Write what an invocation leaves that ran nothing: outputs and a summary."""
        self.host.write_outputs(outputs(report, Paths()))
        if detail != "off":
            self.host.write_summary(summary(report, "brief"))

    def _with_artifacts(self, report: RunReport, artifacts: Artifacts) -> RunReport:
        try:
            for name, text in report.artifacts.items():
                artifacts.write(name, text)
        except RunnerError as error:
            failure = Failure(error.title, error.message, findings=error.findings)
            return replace(report, status=error.status, exit_code=error.exit_code, failure=failure)
        return report

    def _trace(self, spans: list[SpanRecord], artifacts: Artifacts, now: datetime) -> str:
        from runner.report.trace import as_json, as_otlp_lines

        stamp = f"trace-{now:%Y%m%dT%H%M%SZ}"
        artifacts.write(f"{stamp}.otlp.jsonl", as_otlp_lines(spans))
        return artifacts.shown(artifacts.write(f"{stamp}.json", as_json(spans)))


def exit_code(report: RunReport, fail_on: str) -> int:
    """The exit code under `fail-on`: a run may succeed with warnings that fail it, or fail and be forgiven."""
    if fail_on == "never" and report.status in FORGIVEN and report.exit_code != RunnerError.exit_code:
        return 0
    if fail_on == "warning" and report.status == "success" and report.warnings:
        return 20 if report.budget.warned else 3
    return report.exit_code
