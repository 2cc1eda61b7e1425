"""What of the language this version runs. Everything else loads and is refused here by name, before anything runs.

Nothing that a file says is passed over in silence: a key either acts or stands in this list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runner.errors import Finding
from runner.plan.catalogue import PROVIDERS
from runner.spec import models as spec
from runner.spec import patterns
from runner.spec.shape import Shape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.spec.load import Document

Path = tuple[str | int, ...]
Refusal = tuple[str, Path]


def refusals(source: spec.Spec, document: Document) -> Iterator[Finding]:
    """A finding for everything in the file that this version does not run."""
    for what, path in _refused(source):
        yield Finding(f"{what} is not offered in this version", document.locate(path))


def _refused(source: spec.Spec) -> Iterator[Refusal]:
    if source.context_policy is not None:
        for name in ("compaction", "notes"):
            if getattr(source.context_policy, name) is not None:
                yield f"context_policy.{name}", ("context_policy", name)
    if source.skills:
        yield "skills", ("skills",)
    if source.security and source.security.guardrails and source.security.guardrails.pii_redaction:
        yield "security.guardrails.pii_redaction", ("security", "guardrails", "pii_redaction")
    if source.telemetry is not None:
        yield "telemetry (set the OTEL_EXPORTER_OTLP_* variables instead)", ("telemetry",)
    if source.env is not None:
        yield "env", ("env",)
    yield from _refused_runtime(source.runtime)
    yield from _refused_agents(source.agents)
    yield from _refused_tools(source.tools)
    yield from _refused_steps(source.pattern)


def _refused_runtime(runtime: spec.Runtime) -> Iterator[Refusal]:
    if runtime.provider not in PROVIDERS:
        yield f"provider '{runtime.provider}' ({', '.join(PROVIDERS)} are)", ("runtime", "provider")
    for index, endpoint in enumerate(runtime.fallbacks):
        if endpoint.provider not in PROVIDERS:
            yield (
                f"provider '{endpoint.provider}' ({', '.join(PROVIDERS)} are)",
                ("runtime", "fallbacks", index, "provider"),
            )
    if runtime.prompt_cache == "auto":
        yield "prompt_cache: auto", ("runtime", "prompt_cache")
    if runtime.budgets is not None and runtime.budgets.max_cost_usd is not None:
        yield "a budget in money (max_tokens is)", ("runtime", "budgets", "max_cost_usd")


def _refused_agents(agents: dict[str, spec.Agent]) -> Iterator[Refusal]:
    for name, agent in agents.items():
        if agent.provider is not None and agent.provider not in PROVIDERS:
            yield f"provider '{agent.provider}' ({', '.join(PROVIDERS)} are)", ("agents", name, "provider")


def _refused_tools(tools: spec.Tools | None) -> Iterator[Refusal]:
    if tools is None:
        return
    if tools.http_executors:
        yield "tools.http_executors", ("tools", "http_executors")
    if tools.mcp:
        yield "tools.mcp", ("tools", "mcp")


def _refused_steps(pattern: patterns.Pattern) -> Iterator[Refusal]:
    """Gates may stand in the place of a step, and between rounds."""
    pending: list[tuple[Any, Path]] = [(pattern.config, ("pattern", "config"))]
    while pending:
        value, path = pending.pop()
        match value:
            case patterns.Gate():
                yield "a human gate (type: hitl)", path
            case Shape():
                pending += [(getattr(value, name), (*path, name)) for name in type(value).model_fields]
            case list():
                pending += [(one, (*path, index)) for index, one in enumerate(value)]
            case dict():
                pending += [(one, (*path, name)) for name, one in value.items()]
