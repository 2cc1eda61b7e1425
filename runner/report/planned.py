"""Plan to text, JSON, Markdown and Mermaid: what will run, before anything does. Pure."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from runner.plan.estimate import estimate
from runner.plan.plan import Gate
from runner.prices import dollars
from runner.report.markdown import MAX_NAME, code, plain, table
from runner.report.results import HUMAN, StepResult
from runner.report.timeline import flow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.plan.plan import Plan, Row


def as_text(plan: Plan) -> str:
    """A table for people."""
    rows = [("step", "agent", "model", "waits for", "config")]
    needs = plan.needs()
    rows += [
        (row.path, *_asked(row, "{0.provider}/{0.model_id}"), ", ".join(needs[row.path]) or "-", row.config_hash[:12])
        for row in plan.rows()
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    table = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row[:4], widths, strict=True)), row[4]]) for row in rows
    ]
    head = [f"{plan.name}: {plan.flow.type}, {len(rows) - 1} steps, config {plan.config_hash[:12]}", *_bounds(plan), ""]
    return "\n".join([*head, *table]) + "\n"


def as_json(plan: Plan) -> str:
    """Everything a program would want to know, with whole hashes."""
    needs = plan.needs()
    document = {
        "name": plan.name,
        "pattern": plan.flow.type,
        "config_hash": plan.config_hash,
        "shard": str(plan.shard) if plan.shard else None,
        "limits": {
            "max_parallel": plan.limits.max_parallel,
            "max_tokens": plan.limits.max_tokens,
            "max_cost_usd": plan.limits.max_cost_usd,
            "max_steps": plan.limits.max_steps,
            "timeout_s": plan.limits.timeout_s,
            **asdict(plan.limits.timeouts),
        },
        "secrets": {one.called: one.source for one in plan.secrets},
        "estimate": asdict(estimate(plan.flow)),
        "mermaid": as_mermaid(plan),
        "steps": [
            {
                "path": step.path,
                "id": step.id,
                "agent": step.agent.id,
                "provider": step.agent.model.provider,
                "model_id": step.agent.model.model_id,
                "tools": list(step.agent.tools),
                "needs": list(needs[step.path]),
                "timeout_s": step.timeout_s,
                "retries": step.retries,
                "config_hash": step.config_hash,
                "agent_config_hash": step.agent.config_hash,
            }
            for step in plan.steps()
        ],
        "gates": [
            {
                "path": gate.path,
                "prompt": gate.prompt,
                "context_display": gate.context_display,
                "default": gate.default,
                "timeout_seconds": gate.timeout_s,
                "needs": list(needs[gate.path]),
                "config_hash": gate.config_hash,
            }
            for gate in plan.gates()
        ],
        "warnings": [str(warning) for warning in plan.warnings],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def as_markdown(plan: Plan) -> str:
    """The plan for a job summary."""
    rows, needs = plan.rows(), plan.needs()
    head = ["| step | agent | model | waits for | config |", "|---|---|---|---|---|"]
    cells = (_cells(row, needs[row.path]) for row in rows)
    return "\n".join(
        [
            f"### 📋 {plain(plan.name, MAX_NAME)}: plan",
            "",
            *_bounds(plan),
            "",
            table(head, cells, len(rows), "the plan as JSON"),
            "",
            *([f"```mermaid\n{as_mermaid(plan)}```", ""] if rows else []),
        ]
    )


def _cells(row: Row, needs: Sequence[str]) -> str:
    agent, model = _asked(row, "{0.model_id}")
    before = ", ".join(map(code, needs)) or "-"
    return f"| {code(row.path)} | {plain(agent)} | {code(model)} | {before} | {code(row.config_hash[:12])} |"


def as_mermaid(plan: Plan) -> str:
    """The graph of what waits for what."""
    steps = [StepResult(row.path, _asked(row, "")[0], row.config_hash, "skipped") for row in plan.rows()]
    return flow(steps, plan.needs()) + "\n"


def as_matrix(shards: Sequence[str]) -> str:
    """Shards as the host takes the matrix of a job's strategy: one line of JSON."""
    return json.dumps({"shard": list(shards)}) + "\n"


def _asked(row: Row, model: str) -> tuple[str, str]:
    """Who is asked, and on which model."""
    if isinstance(row, Gate):
        return HUMAN, "-"
    return row.agent.id, model.format(row.agent.model)


def _bounds(plan: Plan) -> list[str]:
    told = [plan.shard.told] if plan.shard else []
    return [*told, _limits(plan), _estimate(plan)]


def _estimate(plan: Plan) -> str:
    known = estimate(plan.flow)
    calls = f"{known.calls_least}" + (f" to {known.calls_most}" if known.calls_most > known.calls_least else "")
    answers = "answers without a limit (max_tokens)"
    if known.answer_tokens_most is not None:
        answers = f"at most {known.answer_tokens_most:,} tokens of answers"
    return f"estimate: {calls} calls, about {known.prompt_tokens_least:,} tokens of written prompts, {answers}"


def _limits(plan: Plan) -> str:
    limits = plan.limits
    told = [f"at most {limits.max_parallel} calls at once"]
    told += [f"{limits.max_tokens:,} tokens"] if limits.max_tokens else []
    told += [dollars(limits.max_cost_usd)] if limits.max_cost_usd else []
    told += [f"{limits.max_steps:,} steps"] if limits.max_steps else []
    told += [f"{limits.timeout_s:g} s"] if limits.timeout_s else []
    return f"limits: {', '.join(told)}"
