"""config_hash: what was asked of whom, as SHA-256 over canonical JSON of named fields.

Two steps with the same hash would be given the same question by the same agent, apart from the values that fill the
templates. Every field of a recipe is sorted in or out here by hand; a test fails when a new one is sorted neither
way. The hash is stable across processes, machines and Python versions.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final

from runner.plan.plan import NO_POLICY, AgentRecipe, CompactionPlan, ContextPlan, Gate, ModelRecipe, NotesPlan, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runner.plan.flows import Flow
    from runner.plan.plan import Row
    from runner.plan.tools import ToolRecipe

VERSION: Final = 1
"""Changes when the projection itself changes, so that old recordings are told apart from stale ones."""

HASHED: Final[Mapping[type, frozenset[str]]] = {
    ModelRecipe: frozenset({"provider", "model_id", "temperature", "top_p", "max_tokens", "params"}),
    AgentRecipe: frozenset({"prompt", "model", "tools", "output_schema"}),
    Step: frozenset({"agent", "input", "vars", "session", "fallbacks"}),
    Gate: frozenset({"prompt", "context_display", "default"}),
    ContextPlan: frozenset({"compaction", "notes", "redact_pii"}),
    CompactionPlan: frozenset({"when_tokens_over", "summary_ratio", "preserve_recent_messages", "model_id"}),
    NotesPlan: frozenset({"file", "include_last"}),
}
"""What can change an answer."""

NOT_HASHED: Final[Mapping[type, Mapping[str, str]]] = {
    ModelRecipe: {
        "host": "where a model is served is not what is asked; a recording made elsewhere stays good",
        "region": "as host",
        "prompt_cache": "what a provider keeps of a prompt changes its price, not its answer",
    },
    AgentRecipe: {
        "id": "in the step's hash; left out here so that twins under two names are found",
        "input_schema": "refuses a question, does not change it",
        "config_hash": "the result",
    },
    Step: {
        "path": "which step it is, not what it asks; recordings are kept by path and hash",
        "id": "a name for templates and people",
        "timeout_s": "bounds the call, does not change the question",
        "retries": "as timeout_s",
        "when": "whether it is asked at all, which is in the plan's hash",
        "reasks": "how often a wrong answer is asked for again; what is asked is the same",
        "otherwise": "what stands in for an answer, not what is asked; in the plan's hash",
        "config_hash": "the result",
        "at": "where it is written",
    },
    Gate: {
        "path": "which gate it is; answers are kept by path and hash",
        "timeout_s": "how long is waited, not what for",
        "reviews": "what an answer decides follows from the path",
        "routes": "which answers there are; in the plan's hash",
        "max_tasks": "as routes; in the orchestrator's hash",
        "id": "a name for templates and people",
        "when": "whether it is asked at all; no file says so of a gate",
        "config_hash": "the result",
        "at": "where it is written",
    },
    ContextPlan: {},
    CompactionPlan: {},
    NotesPlan: {"format": "how notes are kept; a model is told them alike"},
}
"""What cannot, and why."""


def sign_agent(agent: AgentRecipe, tool_digest: Callable[[str], str]) -> AgentRecipe:
    """The recipe with its hash. `tool_digest` gives what the model is told of a tool, by name."""
    return replace(agent, config_hash=_sha256(project_agent(agent, tool_digest)))


def sign_step(step: Step, context: ContextPlan = NO_POLICY) -> Step:
    """The step with its hash; its agent is signed already. `context` is what the plan does to all conversations."""
    signature = _sha256(project_step(step) | project_context(context))
    return Step(**{**vars(step), "config_hash": signature})  # `replace` takes half as long again, and steps are many


def sign_gate(gate: Gate) -> Gate:
    """The gate with its hash: an answer is good for the question it was given to, and for no other."""
    return replace(gate, config_hash=_sha256(project_gate(gate)))


def project_gate(gate: Gate) -> dict[str, Any]:
    """The fields of a gate that its hash is made of."""
    asked = {"prompt": gate.prompt, "context_display": gate.context_display, "default": gate.default}
    return {"version": VERSION, "gate": asked}


def project_agent(agent: AgentRecipe, tool_digest: Callable[[str], str]) -> dict[str, Any]:
    """The fields of an agent that its hash is made of, readable when two of them are compared."""
    model = agent.model
    return {
        "version": VERSION,
        "prompt": agent.prompt,
        "provider": model.provider,
        "model_id": model.model_id,
        "temperature": model.temperature,
        "top_p": model.top_p,
        "max_tokens": model.max_tokens,
        "params": dict(model.params),
        "tools": [[name, tool_digest(name)] for name in agent.tools],
        # As text, in its own order: a model is sent the properties in that order and writes them in it.
        "output_schema": None if agent.output_schema is None else json.dumps(agent.output_schema),
    }


def project_step(step: Step) -> dict[str, Any]:
    """The fields of a step that its hash is made of."""
    projection = {"agent_id": step.agent.id, "agent": step.agent.config_hash, "input": step.input}
    return projection | {
        "vars": dict(step.vars),
        "session": step.session,
        "fallbacks": [agent.config_hash for agent in step.fallbacks],
    }


def project_context(context: ContextPlan) -> dict[str, Any]:
    """The fields of a context policy that a step's hash is made of; none where there is no policy."""
    told: dict[str, Any] = {"redact_pii": True} if context.redact_pii else {}
    if context.compaction is not None:
        told["compaction"] = asdict(context.compaction)
    if context.notes is not None:
        told["notes"] = [context.notes.file, context.notes.include_last]
    return {"context": told} if told else {}


def asked(step: Step, context: ContextPlan, tools: Mapping[str, ToolRecipe]) -> dict[str, Any]:
    """What a step's hash is made of, by names that the file has for it: to be read when two of them are compared."""
    agent = step.agent
    told: dict[str, Any] = {
        "agent": agent.id,
        "prompt": agent.prompt,
        "input": step.input,
        **_model(agent),
        "tools": {name: tools[name].told() for name in agent.tools},
        "output_schema": agent.output_schema,
        "vars": _sorted(step.vars),
        "session": step.session,
        "fallbacks": [_model(one) for one in step.fallbacks],
        **project_context(context).get("context", {}),
    }
    said = {name: value for name, value in told.items() if value not in (None, {}, [])}
    return said if agent.output_schema is None else {**said, "output_schema": agent.output_schema}  # {} is one too


def _model(agent: AgentRecipe) -> dict[str, Any]:
    found = {name: getattr(agent.model, name) for name in sorted(HASHED[ModelRecipe])}
    return {name: _sorted(value) for name, value in found.items() if value not in (None, {})}


def _sorted(value: Any) -> Any:
    """Data in the order in which it is hashed."""
    return json.loads(json.dumps(value, sort_keys=True, default=dict))


def plan_hash(flow: Flow) -> str:
    """The hash of a whole plan: every step's and gate's, with its path, what it waits for and its condition, in the
    order answers are joined; and what else decides the way."""
    needs = flow.needs()
    rows = [[row.path, row.config_hash, needs[row.path], *_whether(row)] for row in flow.all_rows()]
    return _sha256({"version": VERSION, "pattern": flow.type, "steps": rows, "control": flow.control()})


def _whether(row: Row) -> list[Any]:
    """Whether a step is asked at all, and what stands in for its answer."""
    return [] if isinstance(row, Gate) else [row.when, row.otherwise]


def _sha256(value: Any) -> str:
    return hashlib.sha256(_canonical(value).encode()).hexdigest()


_canonical: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode
