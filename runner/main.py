"""The door. Everything outside comes in here as an argument and everything made inside goes out here: environment,
arguments, clock, output, signals, the one event loop, and the way from an error to an exit code."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import threading
import traceback
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from runner.artifacts import Artifacts
from runner.ci.commands import printable
from runner.ci.host import Host
from runner.errors import RunnerError, SpecError, UsageError
from runner.inputs import DEFAULT_TIMEOUT_S, ActionInputs, from_arguments, from_environ
from runner.log import Log
from runner.report.outputs import Paths, outputs, results_json
from runner.report.results import Failure, RunReport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from runner.plan.plan import Plan
    from runner.report.trace import SpanRecord

FORGIVEN = frozenset({"failed", "budget", "timeout"})
"""What `fail-on: never` forgives: ways a run that began can end. Bad input and our own bugs are never forgiven."""


def cli() -> int:
    """The process's own environment, arguments and streams through `main`."""
    # A hostile answer may hold what the stream cannot encode; the log is not worth a crash.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    return main(sys.argv[1:], os.environ, cwd=Path.cwd(), stdout=sys.stdout, stderr=sys.stderr)


def main(
    arguments: Sequence[str],
    environ: Mapping[str, str],
    *,
    cwd: Path,
    stdout: TextIO,
    stderr: TextIO,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> int:
    """Run once and return the exit code. Never raises: a bug of ours is told and exits with 70."""
    log = Log(stderr, now)
    door = Door(environ, Host(environ, cwd, stderr), log, stdout, now)
    try:
        asked = from_arguments(arguments) if arguments else from_environ(environ)
        if isinstance(asked, str):
            stdout.write(asked)
            return 0
        log.debug = asked.debug or door.host.debugging
        return door.serve(asked)
    except RunnerError as error:
        return door.refuse("", error)
    except Exception as error:
        for line in traceback.format_exception(error):
            for part in line.splitlines():
                log.line("ERROR", part)
        return door.refuse(
            "", RunnerError(f"a bug of ours: {type(error).__name__}: {error}; please report the lines above")
        )


@dataclass
class Door:
    """One invocation: what came in, and the ways out."""

    environ: Mapping[str, str]
    host: Host
    log: Log
    stdout: TextIO
    now: Callable[[], datetime]

    def serve(self, inputs: ActionInputs) -> int:
        match inputs.mode:
            case "validate":
                return self.validate(inputs)
            case "plan":
                return self.plan(inputs)
            case _:
                return self.run(inputs)

    # -- run ----------------------------------------------------------------------------------------------------------

    def run(self, inputs: ActionInputs) -> int:
        try:
            plan = self._planned(inputs, need_values=True)
            self._log_advice(plan)
            from runner.credentials import require

            require((step.agent.model for step in plan.steps()), self.environ)
        except RunnerError as error:
            return self.refuse(", ".join(inputs.spec), error, inputs)
        self.host.write_outputs({"status": "failed"})  # stands when we are killed; the last value of a name wins
        artifacts = Artifacts.claim(self.host.workspace, inputs.artifacts_dir, '{"status": "failed", "steps": []}\n')
        try:
            self.host.group(printable(f"strands-action: {plan.name}"))
            report, spans = self._executed(plan, inputs)
            self.host.end_group()
            return self._deliver(report, spans, artifacts, inputs)
        finally:
            artifacts.hand_over()

    def _executed(self, plan: Plan, inputs: ActionInputs) -> tuple[RunReport, list[SpanRecord]]:
        from runner.telemetry import KEEP_CONTENT_OUT, SEMCONV_VARIABLE, Tracing

        os.environ.setdefault(SEMCONV_VARIABLE, KEEP_CONTENT_OUT)  # read by the SDK when it is first imported
        self.log.take_over()
        tracing = Tracing(self.environ, enabled=inputs.trace)
        report = asyncio.run(_with_signals(plan, self.environ, self.log, self.now, tracing))
        return report, tracing.finish()

    def _deliver(self, report: RunReport, spans: list[SpanRecord], artifacts: Artifacts, inputs: ActionInputs) -> int:
        """Write everything a run leaves: files, outputs, summary, annotations, the answer and the last lines."""
        from runner.report.summary import summary

        trace = self._write_trace(spans, artifacts) if inputs.trace else ""
        try:
            for name, text in report.artifacts.items():
                artifacts.write(name, text)
        except RunnerError as error:
            failure = Failure(error.title, error.message)
            report = replace(report, status=error.status, exit_code=error.exit_code, failure=failure)
        report = replace(report, exit_code=exit_code(report, inputs.fail_on))
        results = artifacts.shown(artifacts.write("results.json", results_json(report)))
        told = summary(report, "full" if inputs.summary == "off" else inputs.summary)  # type: ignore[arg-type]
        where = artifacts.shown(artifacts.write("summary.md", told))
        if inputs.summary != "off":
            self.host.write_summary(told)
        self.host.write_outputs(outputs(report, Paths(results, trace)))
        self._last_words(report, results, where, trace)
        return report.exit_code

    def _write_trace(self, spans: list[SpanRecord], artifacts: Artifacts) -> str:
        from runner.report.trace import as_json, as_otlp_lines

        stamp = f"trace-{self.now():%Y%m%dT%H%M%SZ}"
        artifacts.write(f"{stamp}.otlp.jsonl", as_otlp_lines(spans))
        return artifacts.shown(artifacts.write(f"{stamp}.json", as_json(spans)))

    def _last_words(self, report: RunReport, results: str, summary: str, trace: str) -> None:
        ran = len(report.steps) - report.count("skipped")
        self.host.annotate(report.warnings, "Advice")
        level, usage = ("INFO" if report.status == "success" else "ERROR"), report.usage
        if report.failure is not None:
            self.host.annotate(report.failure.findings, report.failure.title)
            self.log.line("ERROR", f"{report.failure.title}: {report.failure.message}")
        self.log.line(
            level,  # type: ignore[arg-type]
            f"run_finished status={report.status} steps={ran} tokens={usage.total} duration_ms={report.duration_ms}",
        )
        self.log.line("INFO", f"Results: {results} · Summary: {summary}" + (f" · Trace: {trace}" if trace else ""))
        if not self.host.present and report.response:
            self.stdout.write(report.response + "\n")
            self.stdout.flush()

    # -- validate and plan --------------------------------------------------------------------------------------------

    def validate(self, inputs: ActionInputs) -> int:
        """Check every file named, tell everything that is wrong with any, and run none."""
        errors: list[RunnerError] = []
        files = self._files(inputs)
        for name in files:
            try:
                plan = self._planned(replace(inputs, spec=(name,)), need_values=False)
                self._advise(plan)
                if inputs.fail_on == "warning" and plan.warnings:
                    errors.append(SpecError(replace(warning, level="error") for warning in plan.warnings))
                    continue
                self.log.line("INFO", f"{name}: valid; {plan.flow.type}, {len(plan.steps())} steps")
            except RunnerError as error:
                self._tell(error)
                errors.append(error)
        worst = max(errors, key=lambda error: error.exit_code, default=None)
        status = worst.status if worst else "success"
        report = self._unrun_report(", ".join(files), "validate", worst, errors)
        self._conclude(replace(report, status=status), inputs)
        return worst.exit_code if worst else 0

    def plan(self, inputs: ActionInputs) -> int:
        """Print what would run."""
        from runner.report.planned import as_json, as_markdown, as_text

        try:
            plan = self._planned(inputs, need_values=False)
        except RunnerError as error:
            return self.refuse(", ".join(inputs.spec), error, inputs)
        self._advise(plan)
        text = as_json(plan) if inputs.as_json else as_text(plan)
        for line in text.splitlines():
            self.stdout.write((printable(line) if self.host.present else line) + "\n")
        report = replace(self._unrun_report(plan.name, "plan", None, []), config_hash=plan.config_hash)
        self.host.write_outputs(outputs(report, Paths()))
        if inputs.summary != "off":
            self.host.write_summary(as_markdown(plan))
        return 0

    # -- what they share ----------------------------------------------------------------------------------------------

    def refuse(self, name: str, error: RunnerError, inputs: ActionInputs | None = None) -> int:
        """The way out for a run that never began."""
        self._tell(error)
        self._conclude(self._unrun_report(name, "", error, [error]), inputs)
        return error.exit_code

    def _tell(self, error: RunnerError) -> None:
        for finding in error.findings:
            self.log.line(
                "ERROR", f"{error.title}: {finding}" if finding.at.file else f"{error.title}: {finding.message}"
            )
        self.host.annotate(error.findings, error.title)

    def _conclude(self, report: RunReport, inputs: ActionInputs | None) -> None:
        from runner.report.summary import summary

        try:
            self.host.write_outputs(outputs(report, Paths()))
            if inputs is None or inputs.summary != "off":
                self.host.write_summary(summary(report, "brief"))
        except RunnerError as error:  # the run is refused already; this is one thing more to say
            self.log.line("ERROR", error.message)

    def _unrun_report(
        self, name: str, mode: str, error: RunnerError | None, errors: Sequence[RunnerError]
    ) -> RunReport:
        failure = None
        if error is not None:
            findings = tuple(finding for one in errors for finding in one.findings)
            failure = Failure(error.title, error.message, findings=findings)
        return RunReport(
            name=name or "strands-action",
            status=error.status if error else "success",
            exit_code=error.exit_code if error else 0,
            mode=mode,
            started=self.now(),
            duration_ms=0,
            failure=failure,
        )

    def _advise(self, plan: Plan) -> None:
        self._log_advice(plan)
        self.host.annotate(plan.warnings, "Advice")

    def _log_advice(self, plan: Plan) -> None:
        for warning in plan.warnings:
            self.log.line("WARNING", str(warning))

    def _files(self, inputs: ActionInputs) -> list[str]:
        """The files that paths and globs name, in order. Raises UsageError for a glob that names none."""
        found: list[str] = []
        for name in inputs.spec:
            if any(sign in name for sign in "*?["):
                matches = sorted(glob(name, root_dir=self.host.workspace, recursive=True))
                if not matches:
                    raise UsageError(f"no file matches '{name}'")
                found += matches
            else:
                found.append(name)
        return list(dict.fromkeys(found))

    def _planned(self, inputs: ActionInputs, *, need_values: bool) -> Plan:
        from runner.plan.make import Overrides, make_plan
        from runner.spec.load import read, to_spec

        overrides = Overrides(
            provider=inputs.provider,
            model_id=inputs.model_id,
            host=inputs.host,
            region=inputs.region,
            max_parallel=inputs.max_parallel,
            max_tokens=inputs.max_tokens_budget,
            timeout_s=inputs.timeout,
        )
        if inputs.prompt is not None:
            return _within_default(_one_step(inputs, overrides))
        files = self._files(inputs)
        if len(files) != 1:
            raise UsageError(
                f"a run has one workflow file; 'spec' names {len(files)}" + ": " * bool(files) + ", ".join(files)
            )
        path = self.host.workspace / files[0]
        document = read(path, files[0])
        plan = make_plan(
            to_spec(document),
            document,
            overrides=overrides,
            variables=inputs.variables,
            root=path.parent,
            need_values=need_values,
        )
        return _within_default(plan)


def _one_step(inputs: ActionInputs, overrides: object) -> Plan:
    """The workflow behind the input `prompt`. The question is a value, not a template: it may be anybody's words."""
    from runner.plan.make import make_plan
    from runner.spec.load import Document, to_spec

    if inputs.provider is None:
        raise UsageError("input 'prompt' needs the input 'provider' (and model-id) beside it")
    data = {
        "version": 1,
        "name": "prompt",
        "runtime": {"provider": inputs.provider},
        "agents": {"assistant": {"prompt": "{{ prompt }}"}},
        "inputs": {"values": {"prompt": inputs.prompt}},
        "pattern": {"type": "chain", "config": {"steps": [{"agent": "assistant"}]}},
    }
    document = Document("prompt", data)
    return make_plan(to_spec(document), document, overrides=overrides, variables=inputs.variables)  # type: ignore[arg-type]


def _within_default(plan: Plan) -> Plan:
    if plan.limits.timeout_s is not None:
        return plan
    return replace(plan, limits=replace(plan.limits, timeout_s=DEFAULT_TIMEOUT_S))


def exit_code(report: RunReport, fail_on: str) -> int:
    """The exit code under `fail-on`: a run may succeed with warnings that fail it, or fail and be forgiven."""
    if fail_on == "never" and report.status in FORGIVEN:
        return 0
    if fail_on == "warning" and report.status == "success":
        if report.budget.warned:
            return 20
        if report.warnings:
            return 3
    return report.exit_code


async def _with_signals(
    plan: Plan, environ: Mapping[str, str], log: Log, now: Callable[[], datetime], tracing: object
) -> RunReport:
    """Run the plan as a task that the first signal cancels; the second leaves at once."""
    from runner.run import Surroundings, execute

    around = Surroundings(environ, log.event, now, tracing, random.Random())  # type: ignore[arg-type]  # noqa: S311
    task = asyncio.create_task(execute(plan, around))
    with _signals(task, log):
        return await task


@contextmanager
def _signals(task: asyncio.Task[RunReport], log: Log) -> Iterator[None]:
    """A container's first process ignores every signal it has no handler for."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread hears of signals
        return
    loop = asyncio.get_running_loop()
    wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def stop(name: str) -> None:
        if task.cancelling():
            os._exit(130)
        log.line("WARNING", f"{name} received: stopping; once more leaves at once")
        task.cancel()

    for one in wanted:
        loop.add_signal_handler(one, stop, one.name)
    try:
        yield
    finally:
        for one in wanted:
            loop.remove_signal_handler(one)
