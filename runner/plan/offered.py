"""What of the language this version runs. Everything else loads and is refused here by name, before anything runs.

Nothing that a file says is passed over in silence: a key either acts or stands in this list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runner.errors import Finding
from runner.plan.catalogue import LANGUAGE_TOOLS, PROVIDERS, TOOLS
from runner.spec import models as spec
from runner.spec import patterns
from runner.spec.load import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runner.spec.load import Document

Path = tuple[str | int, ...]
Refusal = tuple[str, Path]

PATTERNS: Final = ("chain", "parallel", "workflow")


def refusals(source: spec.Spec, document: Document) -> Iterator[Finding]:
    """A finding for everything in the file that this version does not run."""
    for what, path in _refused(source):
        yield Finding(f"{what} is not offered in this version", document.locate(path))


def unknown_tools(names: Sequence[str]) -> Iterator[tuple[int, str]]:
    """For every tool name that cannot be given to an agent, its position and what to say."""
    for index, name in enumerate(names):
        if name in TOOLS:
            continue
        if name in LANGUAGE_TOOLS:
            yield index, f"tool '{name}' is not offered in this version; it has: {', '.join(sorted(TOOLS))}"
        else:
            yield index, f"unknown tool '{name}'; {nearest(name, list(TOOLS))}"


def _refused(source: spec.Spec) -> Iterator[Refusal]:
    if source.pattern.type not in PATTERNS:
        runs = f"{', '.join(PATTERNS[:-1])} and {PATTERNS[-1]} run"
        yield f"pattern '{source.pattern.type}' ({runs})", ("pattern", "type")
    if source.context_policy is not None:
        yield "context_policy", ("context_policy",)
    if source.skills:
        yield "skills", ("skills",)
    if source.security is not None and source.security.guardrails is not None:
        yield "security.guardrails", ("security", "guardrails")
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
    if runtime.fallbacks:
        yield "runtime.fallbacks", ("runtime", "fallbacks")
    if runtime.prompt_cache == "auto":
        yield "prompt_cache: auto", ("runtime", "prompt_cache")
    if runtime.budgets is not None and runtime.budgets.max_cost_usd is not None:
        yield "a budget in money (max_tokens is)", ("runtime", "budgets", "max_cost_usd")


def _refused_agents(agents: dict[str, spec.Agent]) -> Iterator[Refusal]:
    for name, agent in agents.items():
        if agent.ref is not None:
            yield "$ref", ("agents", name, "$ref")
        if agent.input_schema is not None:
            yield "input_schema", ("agents", name, "input_schema")
        if agent.provider is not None and agent.provider not in PROVIDERS:
            yield f"provider '{agent.provider}' ({', '.join(PROVIDERS)} are)", ("agents", name, "provider")


def _refused_tools(tools: spec.Tools | None) -> Iterator[Refusal]:
    if tools is None:
        return
    if tools.http_executors:
        yield "tools.http_executors", ("tools", "http_executors")
    if tools.mcp:
        yield "tools.mcp", ("tools", "mcp")
    for index, tool in enumerate(tools.python):
        if isinstance(tool, str) and tool not in TOOLS and tool in LANGUAGE_TOOLS:
            yield f"tool '{tool}' ({', '.join(sorted(TOOLS))} are)", ("tools", "python", index)
        if isinstance(tool, spec.PythonCallable):
            yield f"a callable tool ('{tool.callable}')", ("tools", "python", index)


def _refused_steps(pattern: patterns.Pattern) -> Iterator[Refusal]:
    for step, path in steps_of(pattern):
        if isinstance(step, patterns.Gate):
            yield "a human gate (type: hitl)", path
            continue
        if step.when is not None:
            yield "when", (*path, "when")
        if step.session is not None:
            yield "session", (*path, "session")


def steps_of(pattern: patterns.Pattern) -> Iterator[tuple[patterns.Step | patterns.Gate, Path]]:
    """Every step of the patterns that run, with its place in the file."""
    base: Path = ("pattern", "config")
    match pattern:
        case patterns.Chain(config=chain):
            yield from ((step, (*base, "steps", index)) for index, step in enumerate(chain.steps))
        case patterns.Parallel(config=parallel):
            for number, branch in enumerate(parallel.branches):
                place = (*base, "branches", number, "steps")
                yield from ((step, (*place, index)) for index, step in enumerate(branch.steps))
            if parallel.reduce is not None:
                yield parallel.reduce, (*base, "reduce")
        case patterns.Workflow(config=workflow):
            yield from ((task, (*base, "tasks", index)) for index, task in enumerate(workflow.tasks))
