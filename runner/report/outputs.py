"""RunReport to the action's outputs and to results.json. Pure."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from runner.prices import exact
from runner.report.costs import run_cost, step_cost
from runner.report.streamed import members

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from runner.errors import Question
    from runner.report.results import Failure, Posted, RunReport, StepResult

MAX_RESPONSE: Final = 256 * 1024
"""Bytes of the `response` output; a longer answer is whole in results.json."""

MAX_TOTAL: Final = 480_000
"""Bytes of all outputs together. The host takes 1 MB from a job, and counts two bytes for a letter (UTF-16):
https://docs.github.com/en/actions/how-tos/write-workflows/choose-what-workflows-do/pass-job-outputs."""


@dataclass(frozen=True)
class Paths:
    """Where the run's files are, relative to the workspace; empty when they were not written."""

    results: str = ""
    trace: str = ""
    review: str = ""


def outputs(report: RunReport, paths: Paths) -> dict[str, str]:
    """The outputs by name, as strings."""
    usage = report.usage
    used = report.budget.used_percent
    own = {
        "status": report.status,
        "response": report.response,
        "structured": "" if report.data is None else json.dumps(report.data, ensure_ascii=False),
        "results-path": paths.results,
        "trace-path": paths.trace,
        "review-path": paths.review,
        "junit-path": "",
        "tests-passed": "",
        "tests-failed": "",
        "tape-path": report.tape,
        "post-plan-path": report.post_plan,
        "posted-url": report.posted.url if report.posted else "",
        "input-tokens": usage.input,
        "output-tokens": usage.output,
        "total-tokens": usage.total,
        "cost-usd": exact(run_cost(report)),
        "steps-run": len(report.steps) - report.count("skipped"),
        "steps-replayed": sum(step.source == "tape" for step in report.steps),
        "steps-resumed": sum(step.source == "resumed" for step in report.steps),
        "steps-failed": report.count("failed"),
        "cache-builds": report.cache.builds,
        "cache-hits": report.cache.hits,
        "cache-hit-rate": report.cache.hit_rate,
        "clients-created": report.clients.created,
        "client-hits": report.clients.hits,
        "budget-used-percent": "" if used is None else used,
        "duration-ms": report.duration_ms,
        "config-hash": report.config_hash,
        "trust": report.trust.word if report.trust else "",
        "matrix": report.matrix,
    }
    return _fitted({**report.step_outputs, **{name: str(value) for name, value in own.items()}}, paths.results)


def _fitted(texts: Mapping[str, str], whole: str) -> dict[str, str]:
    """Texts that the host has room for. The shortest come first: only what is long is cut, each to its share."""
    left, fitted = MAX_TOTAL, dict(texts)
    for before, name in enumerate(sorted(texts, key=lambda name: _size(texts[name]))):
        share = left // (len(texts) - before)
        fitted[name] = cut(texts[name], whole, min(share, MAX_RESPONSE) if name == "response" else share)
        left -= _size(fitted[name])
    return fitted


def _size(text: str) -> int:
    return len(text.encode(errors="replace"))


def cut(text: str, whole: str, most: int = MAX_RESPONSE) -> str:
    """A text of at most so many bytes, with a marker that says where the rest is."""
    encoded = text.encode(errors="replace")  # half a surrogate pair, which JSON may hold, cannot be written
    if len(encoded) <= most:
        return text
    marker = f"\n[cut here; the whole answer of {len(encoded):,} bytes is in {whole or 'results.json'}]"
    return encoded[: max(0, most - len(marker.encode()))].decode(errors="ignore") + marker


def results_json(report: RunReport) -> Iterator[str]:
    """The whole report as JSON, piece by piece: with the answers of all steps it may be more than memory holds."""
    return members(_document(report, (step_document(step, report.started) for step in report.steps)), 2)


def document(report: RunReport) -> dict[str, Any]:
    """What results.json holds; docs/reference.md tells its keys."""
    return _document(report, [step_document(step, report.started) for step in report.steps])


def _document(report: RunReport, steps: Iterable[Any]) -> dict[str, Any]:
    return {
        "name": report.name,
        "status": report.status,
        "exit_code": report.exit_code,
        "mode": report.mode,
        "pattern": report.pattern,
        "config_hash": report.config_hash,
        "shard": str(report.shard) if report.shard else None,
        "trust": report.trust.word if report.trust else None,
        "started": report.started.isoformat(timespec="milliseconds"),
        "duration_ms": report.duration_ms,
        "response": report.response,
        "data": report.data,
        "step_outputs": dict(report.step_outputs),
        "steps": steps,
        "questions": [_question(one) for one in report.questions],
        "usage": _usage(report),
        "cost_usd": run_cost(report),
        "cache": {
            "builds": report.cache.builds,
            "hits": report.cache.hits,
            "hit_rate": report.cache.hit_rate,
        },
        "clients": {"created": report.clients.created, "hits": report.clients.hits},
        "budget": {
            "tokens": report.budget.tokens,
            "max_tokens": report.budget.max_tokens,
            "steps": report.budget.steps,
            "max_steps": report.budget.max_steps,
            "cost_usd": report.budget.cost_usd,
            "max_cost_usd": report.budget.max_cost_usd,
            "used_percent": report.budget.used_percent,
        },
        "posted": _posted(report.posted),
        "failure": _failure(report.failure),
        "warnings": [{"message": one.message, "at": str(one.at)} for one in report.warnings],
    }


def step_document(step: StepResult, at: datetime) -> dict[str, Any]:
    """What results.json holds of a step, priced as of a time."""
    return {
        "path": step.path,
        "id": step.id,
        "agent": step.agent,
        "status": step.status,
        "response": step.response,
        "data": step.data,
        "error": step.error,
        "question": _question(step.question) if step.question else None,
        "answered_by": step.answered_by,
        "usage": _usage(step),
        "cost_usd": step_cost(step, at),
        "attempts": step.attempts,
        "turns": step.turns,
        "tools": list(step.tools),
        "source": step.source,
        "model": step.model,
        "config_hash": step.config_hash,
        "started": step.started.isoformat(timespec="milliseconds") if step.started else None,
        "duration_ms": step.duration_ms,
    }


def _question(one: Question) -> dict[str, Any]:
    return {
        "path": one.path,
        "prompt": one.prompt,
        "context": one.context,
        "default": one.default,
        "until": one.until.isoformat(timespec="milliseconds") if one.until else None,
    }


def _usage(of: RunReport | StepResult) -> dict[str, int]:
    usage = of.usage
    return {
        "input_tokens": usage.input,
        "output_tokens": usage.output,
        "total_tokens": usage.total,
        "cache_read_tokens": usage.cache_read,
        "cache_write_tokens": usage.cache_write,
        "uncounted_turns": of.uncounted,
    }


def _posted(posted: Posted | None) -> dict[str, Any] | None:
    return None if posted is None else {**asdict(posted), "remarks": list(posted.remarks)}


def _failure(failure: Failure | None) -> dict[str, Any] | None:
    if failure is None:
        return None
    return {
        "title": failure.title,
        "message": failure.message,
        "path": failure.path,
        "findings": [{"message": one.message, "at": str(one.at), "level": one.level} for one in failure.findings],
    }
