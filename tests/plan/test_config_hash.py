"""config_hash changes when, and only when, something changes that can change an answer; and nothing is ignored.

The table below names every field of the language. Each is proved by planning two files that differ in it: a field is
hashed, or it acts on the plan without being hashed, or it is checked before anything runs, or it is words for people,
or it is refused in this version. A new field fails the test until it is sorted in.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runner.errors import RunnerError
from runner.plan import digest
from runner.plan.plan import AgentRecipe, CompactionPlan, ContextPlan, Gate, ModelRecipe, NotesPlan, Step
from tests.build import (
    agent,
    as_text,
    chain,
    dag,
    gate,
    hitl,
    model,
    parallel,
    plan_of,
    secrets,
    shapes,
    step,
    workflow,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

HOME = Path(__file__).parents[2]


@dataclass(frozen=True)
class Row:
    """A file with the field and, when leaving it away is not the difference, the file to compare with."""

    verdict: str
    after: dict[str, Any]
    before: dict[str, Any]
    variables: dict[str, Any]


def row(verdict: str, after: dict[str, Any], before: dict[str, Any] | None = None, **variables: Any) -> Row:
    return Row(verdict, after, before or workflow(), variables)


def hashed(after: dict[str, Any], before: dict[str, Any] | None = None) -> Row:
    """It can change an answer."""
    return row("hashed", after, before)


def acts(after: dict[str, Any], before: dict[str, Any] | None = None) -> Row:
    """The plan is another one, the question is the same."""
    return row("acts", after, before)


def checks(after: dict[str, Any], before: dict[str, Any] | None = None, **variables: Any) -> Row:
    """With it the file is refused, or the variables are."""
    return row("checks", after, before, **variables)


def words(after: dict[str, Any]) -> Row:
    """It is for people: the plan is the same."""
    return row("words", after)


def refused(after: dict[str, Any]) -> Row:
    """This version says that it does not offer it."""
    return row("refused", after)


TOPIC = chain("About {{ topic }}.")
TOOLED = {"python": ["calculator", "current_time"]}
CLOSED = workflow(security={"guardrails": {"allow_tools": []}}, tools=TOOLED)
TWO = {"writer": {"prompt": "You write."}, "critic": {"prompt": "You judge."}}
GATE = hitl()
FALLBACK = {"provider": "ollama", "model_id": "m"}


def runtime(**keys: Any) -> dict[str, Any]:
    return workflow(runtime=keys)


def secret(**keys: Any) -> dict[str, Any]:
    return workflow(env={"secrets": [{"key": "KEY", "source": "env", **keys}]})


def writer(**keys: Any) -> dict[str, Any]:
    return workflow(agents={"writer": keys})


def compaction(**keys: Any) -> dict[str, Any]:
    return workflow(context_policy={"compaction": {"enabled": True, **keys}})


def pulled(**keys: Any) -> dict[str, Any]:
    return workflow(context_policy={"pull_request": keys})


def notes(**keys: Any) -> dict[str, Any]:
    return workflow(context_policy={"notes": {"file": "a", **keys}})


COMPACTED, NOTED = compaction(), notes()


def skilled(**keys: Any) -> dict[str, Any]:
    return workflow(skills=[{"id": "a", "path": "README.md", **keys}])


def one_step(**keys: Any) -> dict[str, Any]:
    return workflow(agents=TWO, tools=TOOLED, pattern=chain({"input": "Write.", **keys}))


def one_task(**keys: Any) -> dict[str, Any]:
    task = {"id": "b", "agent": "writer", "input": "Write.", **keys}
    task = {key: value for key, value in task.items() if value is not None}
    pattern = {"type": "workflow", "config": {"tasks": [{"id": "a", "agent": "writer", "input": "A."}, task]}}
    return workflow(agents=TWO, tools=TOOLED, pattern=pattern)


def executor(**keys: Any) -> dict[str, Any]:
    return workflow(tools={"http_executors": [{"id": "a", "base_url": "https://x", **keys}]})


def endpoint(**keys: Any) -> dict[str, Any]:
    return executor(common_endpoints=[{"path": "/a", "description": "what it does", **keys}])


def served(*, tools: Sequence[str] = ("a",), policy: Any = None, **keys: Any) -> dict[str, Any]:
    """A file with an MCP server, which its agent names."""
    server = {"id": "a", **({} if "command" in keys else {"url": "http://x"}), **keys}
    policies = {} if policy is None else {"context_policy": {"retrieval": policy}}
    return workflow(tools={"mcp": [server]}, agents={"writer": {"tools": list(tools)}}, **policies)


STEPWISE: dict[str, Any] = {
    "agent": (hashed, {"agent": "critic"}),
    "input": (hashed, {"input": "Write more."}),
    "vars": (hashed, {"vars": {"tone": "calm"}}),
    "tool_overrides": (hashed, {"tool_overrides": ["calculator"]}),
    "output_schema": (hashed, {"output_schema": {"type": "object"}}),
    "timeout_s": (acts, {"timeout_s": 9.5}),
    "retries": (acts, {"retries": 7}),
    "when": (hashed, {"when": "{{ true }}"}),
    "session": (hashed, {"session": "talk"}),
}
STEP = {name: verdict(one_step(**keys), one_step()) for name, (verdict, keys) in STEPWISE.items()}
TASK = {name: verdict(one_task(**keys), one_task()) for name, (verdict, keys) in STEPWISE.items()}
INFERENCE = {"temperature": 0.5, "top_p": 0.5, "max_tokens": 50}
ENUM = {"type": "string", "enum": ["tea", "milk"]}

FIELDS: dict[str, dict[str, Row]] = {
    "Spec": {
        "version": words(workflow(version=0)),
        "name": acts(workflow(name="other")),
        "description": words(workflow(description="what it does")),
        "metadata": words(workflow(metadata={"name": "m"})),
        "tags": words(workflow(tags=["a"])),
        "inputs": acts(workflow(inputs={"values": {"topic": "tea"}})),
        "env": acts(workflow(env={"secrets": [{"key": "KEY", "source": "env"}]})),
        "telemetry": acts(workflow(telemetry={"otel": {"service_name": "s"}})),
        "context_policy": hashed(workflow(context_policy={"retrieval": {"jit_tools": ["calculator"]}})),
        "skills": hashed(skilled()),
        "tools": hashed(workflow(tools=TOOLED)),
        "runtime": hashed(runtime(model_id="n")),
        "agents": hashed(writer(prompt="You write well.")),
        "pattern": hashed(workflow(pattern=chain("Write.", "Again."))),
        "outputs": acts(workflow(outputs={"step_outputs": {"answer": "{{ last_response }}"}})),
        "security": checks(CLOSED, workflow(tools=TOOLED)),
    },
    "Env": {
        "secrets": acts(workflow(env={"secrets": [{"key": "KEY", "source": "env"}]})),
        "mounts": refused(workflow(env={"mounts": {"/a": "/b"}})),
    },
    "Secret": {
        "key": acts(secret(key="OTHER"), secret()),
        "name": acts(secret(name="other"), secret()),
        "source": acts(secret(source="ssm"), secret()),
        "path": acts(secret(source="ssm", path="token"), secret(source="ssm")),
    },
    "Telemetry": {
        "otel": acts(workflow(telemetry={"otel": {"service_name": "s"}})),
        "redact": words(workflow(telemetry={"redact": {"tool_inputs": True}})),
    },
    "Otel": {
        "endpoint": acts(workflow(telemetry={"otel": {"endpoint": "http://localhost:4318"}})),
        "service_name": acts(workflow(telemetry={"otel": {"service_name": "s"}})),
        "sample_ratio": acts(workflow(telemetry={"otel": {"sample_ratio": 0.5}})),
    },
    "Redact": {
        "tool_inputs": words(workflow(telemetry={"redact": {"tool_inputs": True}})),
        "tool_outputs": words(workflow(telemetry={"redact": {"tool_outputs": True}})),
    },
    "Skill": {
        "id": hashed(skilled(id="other"), skilled()),
        "path": hashed(skilled(path="docs/language.md"), skilled()),
        "description": hashed(skilled(description="Other."), skilled()),
        "preload_metadata": hashed(skilled(preload_metadata=False), skilled()),
    },
    "Metadata": {
        "name": words(workflow(metadata={"name": "m"})),
        "description": words(workflow(metadata={"description": "d"})),
        "labels": words(workflow(metadata={"labels": {"team": "x"}})),
    },
    "Inputs": {
        "required": checks(workflow(inputs={"required": {"topic": "string"}})),
        "optional": checks(workflow(inputs={"optional": {"topic": "string"}}, pattern=TOPIC),
                           workflow(pattern=TOPIC), topic=3),
        "values": acts(workflow(inputs={"values": {"topic": "tea"}})),
    },
    "InputDeclaration": {
        "type": checks(workflow(inputs={"optional": {"topic": {"type": "integer"}}}, pattern=TOPIC),
                       workflow(pattern=TOPIC), topic="tea"),
        "description": words(workflow(inputs={"optional": {"topic": {"type": "string", "description": "d"}}})),
        "default": acts(workflow(inputs={"optional": {"topic": {"type": "string", "default": "tea"}}})),
        "enum": checks(workflow(inputs={"optional": {"topic": ENUM}}, pattern=TOPIC),
                       workflow(inputs={"optional": {"topic": "string"}}, pattern=TOPIC), topic="water"),
    },
    "Tools": {
        "python": hashed(workflow(tools={"python": ["calculator"]})),
        "http_executors": hashed(executor()),
        "mcp": hashed(served()),
    },
    "HttpExecutor": {
        "id": hashed(executor(id="b"), executor()),
        "base_url": hashed(executor(base_url="https://y"), executor()),
        "headers": hashed(executor(headers={"X-Key": "k"}), executor()),
        "timeout_ms": acts(executor(timeout_ms=9), executor()),
        "description": hashed(executor(description="The tracker."), executor()),
        "examples": hashed(executor(examples=["Ask."]), executor()),
        "common_endpoints": hashed(endpoint(), executor()),
        "response_format": hashed(executor(response_format="JSON"), executor()),
        "authentication_info": hashed(executor(authentication_info="None."), executor()),
        "allow_private": acts(executor(allow_private=True), executor()),
    },
    "CommonEndpoint": {
        "path": hashed(endpoint(path="/b"), endpoint()),
        "description": hashed(endpoint(description="other"), endpoint()),
        "method": hashed(endpoint(method="POST"), endpoint()),
    },
    "Outputs": {
        "artifacts": acts(workflow(outputs={"artifacts": [{"path": "a.md", "from": "text"}]})),
        "step_outputs": acts(workflow(outputs={"step_outputs": {"answer": "text"}})),
        "post": acts(workflow(outputs={"post": {"from": "last_response"}})),
    },
    "Post": {
        "from_": acts(workflow(outputs={"post": {"from": "last_response"}}), workflow(outputs={"post": {}})),
        "labels": acts(workflow(outputs={"post": {"labels": ["bug"]}}), workflow(outputs={"post": {}})),
        "check": acts(workflow(outputs={"post": {"check": "review"}}), workflow(outputs={"post": {}})),
        "max_comments": acts(workflow(outputs={"post": {"max_comments": 5}}), workflow(outputs={"post": {}})),
    },
    "Artifact": {
        "path": acts(workflow(outputs={"artifacts": [{"path": "b.md", "from": "text"}]}),
                     workflow(outputs={"artifacts": [{"path": "a.md", "from": "text"}]})),
        "from_": acts(workflow(outputs={"artifacts": [{"path": "a.md", "from": "word"}]}),
                      workflow(outputs={"artifacts": [{"path": "a.md", "from": "text"}]})),
    },
    "ContextPolicy": {
        "compaction": hashed(COMPACTED),
        "notes": hashed(NOTED),
        "retrieval": hashed(workflow(context_policy={"retrieval": {"jit_tools": ["calculator"]}})),
        "pull_request": acts(pulled(max_tokens=9), workflow()),
    },
    "PullRequest": {
        "max_tokens": acts(pulled(max_tokens=9), pulled()),
        "ignore": acts(pulled(ignore=["docs/"]), pulled()),
        "incremental": acts(pulled(incremental=True), pulled()),
    },
    "Compaction": {
        "enabled": hashed(COMPACTED),
        "when_tokens_over": hashed(compaction(when_tokens_over=9), COMPACTED),
        "summary_ratio": hashed(compaction(summary_ratio=0.5), COMPACTED),
        "preserve_recent_messages": hashed(compaction(preserve_recent_messages=2), COMPACTED),
        "summarization_model": hashed(compaction(summarization_model="n"), COMPACTED),
    },
    "Notes": {
        "file": hashed(notes(file="b"), NOTED),
        "include_last": hashed(notes(include_last=3), NOTED),
        "format": acts(notes(format="json"), NOTED),
    },
    "Retrieval": {
        "jit_tools": hashed(workflow(context_policy={"retrieval": {"jit_tools": ["calculator"]}})),
        "mcp_servers": hashed(served(tools=(), policy={"mcp_servers": ["a"]}), served(tools=())),
    },
    "McpServer": {
        "id": hashed(served(id="b", tools=("b",)), served()),
        "command": hashed(served(command="b"), served(command="a")),
        "args": hashed(served(command="a", args=["b"]), served(command="a")),
        "env": hashed(served(command="a", env={"B": "1"}), served(command="a")),
        "url": hashed(served(url="http://y"), served()),
        "headers": hashed(served(headers={"X-Key": "1"}), served()),
        "timeout_s": acts(served(timeout_s=9), served()),
    },
    "PythonCallable": {
        "callable": hashed(workflow(tools={"python": [{"callable": "strands_tools.calculator:calculator"}]})),
    },
    "Security": {
        "guardrails": checks(CLOSED, workflow(tools=TOOLED)),
    },
    "Guardrails": {
        "deny_network": acts(workflow(security={"guardrails": {"deny_network": True}})),
        "pii_redaction": hashed(workflow(security={"guardrails": {"pii_redaction": True}})),
        "allow_tools": checks(CLOSED, workflow(tools=TOOLED)),
    },
    "Budgets": {
        "max_tokens": acts(runtime(budgets={"max_tokens": 10})),
        "max_steps": acts(runtime(budgets={"max_steps": 10})),
        "max_duration_s": acts(runtime(budgets={"max_duration_s": 10})),
        "max_cost_usd": acts(runtime(model_id="gpt-4o", budgets={"max_cost_usd": 1}), runtime(model_id="gpt-4o")),
        "warn_threshold": acts(runtime(budgets={"warn_threshold": 0.5})),
    },
    "FailurePolicy": {
        "retries": acts(runtime(failure_policy={"retries": 7})),
        "backoff": acts(runtime(failure_policy={"backoff": "constant"})),
        "wait_min": acts(runtime(failure_policy={"wait_min": 0.5})),
        "wait_max": acts(runtime(failure_policy={"wait_max": 30})),
        "on_malformed": acts(runtime(failure_policy={"on_malformed": "fail"})),
        "on_failure": acts(workflow(runtime={"failure_policy": {"on_failure": "continue"}}, pattern=dag({"id": "a"})),
                           workflow(pattern=dag({"id": "a"}))),
    },
    "Timeouts": {name: acts(runtime(timeouts={name: 9}))
                 for name in ("connect_s", "first_token_s", "between_tokens_s")},
    "Inference": {name: hashed(writer(inference={name: value})) for name, value in INFERENCE.items()},
    "Runtime": {
        **{name: hashed(runtime(**{name: value})) for name, value in INFERENCE.items()},
        "provider": hashed(runtime(provider="ollama")),
        "model_id": hashed(runtime(model_id="n")),
        "region": acts(runtime(provider="bedrock", region="eu-west-1"), runtime(provider="bedrock")),
        "host": acts(runtime(host="http://localhost:1")),
        "params": hashed(runtime(params={"seed": 7})),
        "max_parallel": acts(runtime(max_parallel=6)),
        "budgets": acts(runtime(budgets={"max_steps": 10})),
        "failure_policy": acts(runtime(failure_policy={"retries": 7})),
        "prompt_cache": acts(runtime(prompt_cache="auto")),
        "timeout_s": acts(runtime(timeout_s=9)),
        "timeouts": acts(runtime(timeouts={"first_token_s": 9})),
        "fallbacks": hashed(runtime(fallbacks=[FALLBACK])),
    },
    "Agent": {
        "ref": checks(writer(**{"$ref": "agents/writer.yaml"})),
        "prompt": hashed(writer(prompt="You write well.")),
        "tools": hashed(workflow(tools=TOOLED, agents={"writer": {"tools": []}}), workflow(tools=TOOLED)),
        "provider": hashed(writer(provider="ollama", model_id="m")),
        "model_id": hashed(writer(model_id="n")),
        "inference": hashed(writer(inference={"temperature": 0})),
        "input_schema": acts(writer(input_schema={"type": "object"})),
        "output_schema": hashed(writer(output_schema={"type": "object"})),
    },
    "Step": {**STEP, "id": acts(one_step(id="first"), one_step())},
    "Task": {
        **TASK,
        "id": hashed(one_task(id="c"), one_task()),
        "deps": hashed(one_task(deps=["a"]), one_task()),
        "description": hashed(one_task(input=None, description="New."), one_task(input=None, description="Old.")),
    },
    "Branch": {
        "id": hashed(workflow(pattern=parallel(b="Write.")), workflow(pattern=parallel(a="Write."))),
        "steps": hashed(workflow(pattern=parallel(a="Read.")), workflow(pattern=parallel(a="Write."))),
    },
    "ParallelConfig": {
        "branches": hashed(workflow(pattern=parallel(a="A.", b="B.")), workflow(pattern=parallel(a="A."))),
        "reduce": hashed(workflow(pattern=parallel(a="A.", reduce="Join.")), workflow(pattern=parallel(a="A."))),
    },
    "WorkflowConfig": {
        "tasks": hashed(workflow(pattern=dag({"id": "a"}, {"id": "b"})), workflow(pattern=dag({"id": "a"}))),
    },
    "ChainConfig": {"steps": hashed(workflow(pattern=chain("A.", "B.")), workflow(pattern=chain("A.")))},
    "Chain": {
        "type": hashed(workflow(pattern=dag({"id": "a"}))),
        "config": hashed(workflow(pattern=chain("A."))),
    },
    "Parallel": {
        "type": hashed(workflow(pattern=parallel(a="Write."))),
        "config": hashed(workflow(pattern=parallel(a="A.")), workflow(pattern=parallel(a="B."))),
    },
    "Workflow": {
        "type": hashed(workflow(pattern=dag({"id": "a"}))),
        "config": hashed(workflow(pattern=dag({"id": "a"})), workflow(pattern=dag({"id": "b"}))),
    },
}  # fmt: skip


def of(kind: str, **config: Any) -> dict[str, Any]:
    """A file of one of the patterns, all of whose steps are `writer`'s unless it says otherwise."""
    base: dict[str, Any] = {
        "routing": {"router": ASKED, "routes": {"a": {"then": [ASKED]}, "b": {"then": [ASKED]}}},
        "graph": {"nodes": {"a": ASKED, "b": ASKED}, "edges": [{"from": "a", "to": "b"}]},
        "evaluator_optimizer": {"producer": "writer", "evaluator": ASKED, "accept": {"min_score": 7}},
        "orchestrator_workers": {"orchestrator": ASKED, "worker_template": ASKED},
    }[kind]
    merged = {key: value for key, value in {**base, **config}.items() if value is not None}
    return workflow(agents=TWO, tools=TOOLED, pattern={"type": kind, "config": merged})


def routing(**config: Any) -> dict[str, Any]:
    return of("routing", **config)


def graph(**config: Any) -> dict[str, Any]:
    return of("graph", **config)


def choosing(**choice: Any) -> dict[str, Any]:
    return graph(edges=[{"from": "a", "choose": [{"when": "{{ true }}", "to": "b", **choice}]}])


def optimizer(**config: Any) -> dict[str, Any]:
    return of("evaluator_optimizer", **config)


def accepting(**accept: Any) -> dict[str, Any]:
    return optimizer(accept={"min_score": 7, **accept})


def workers(**config: Any) -> dict[str, Any]:
    return of("orchestrator_workers", **config)


def gated(**keys: Any) -> dict[str, Any]:
    return workflow(pattern=chain("Write.", hitl(**keys)))


def gated_task(**keys: Any) -> dict[str, Any]:
    return workflow(pattern=dag({"id": "a"}, {"id": "b", **hitl(), **keys}))


def limited(**limits: Any) -> dict[str, Any]:
    return workers(orchestrator={**ASKED, "limits": limits})


ASKED = {"agent": "writer"}
OTHER = {"agent": "critic"}

PATTERN_FIELDS: dict[str, dict[str, Row]] = {
    "Endpoint": {
        **{name: hashed(runtime(fallbacks=[{**FALLBACK, name: value}]), runtime(fallbacks=[FALLBACK]))
           for name, value in {**INFERENCE, "model_id": "n", "params": {"seed": 1}}.items()},
        "provider": hashed(runtime(fallbacks=[{**FALLBACK, "provider": "openai"}]), runtime(fallbacks=[FALLBACK])),
        "host": acts(runtime(fallbacks=[{**FALLBACK, "host": "http://x"}]), runtime(fallbacks=[FALLBACK])),
        "region": acts(runtime(fallbacks=[{"provider": "bedrock", "model_id": "m", "region": "eu-west-1"}]),
                       runtime(fallbacks=[{"provider": "bedrock", "model_id": "m"}])),
    },
    "Ask": {
        "agent": hashed(graph(nodes={"a": OTHER, "b": ASKED}), graph()),
        "input": hashed(graph(nodes={"a": {**ASKED, "input": "x"}, "b": ASKED}), graph()),
    },
    "Routing": {"type": hashed(routing()), "config": hashed(routing(router={**ASKED, "input": "Which?"}), routing())},
    "RoutingConfig": {
        "router": hashed(routing(router=OTHER), routing()),
        "routes": hashed(routing(routes={"a": {"then": [ASKED]}}), routing()),
    },
    "Router": {
        "agent": hashed(routing(router=OTHER), routing()),
        "input": hashed(routing(router={**ASKED, "input": "Which?"}), routing()),
        "max_retries": acts(routing(router={**ASKED, "max_retries": 5}), routing()),
        "fallback": hashed(routing(router={**ASKED, "fallback": "b"}), routing()),
        "review_router": hashed(routing(router={**ASKED, "review_router": GATE}), routing()),
    },
    "Route": {"then": hashed(routing(routes={"a": {"then": [OTHER]}, "b": {"then": [ASKED]}}), routing())},
    "Graph": {"type": hashed(graph()), "config": hashed(graph(max_iterations=2), graph())},
    "GraphConfig": {
        "nodes": hashed(graph(nodes={"a": OTHER, "b": ASKED}), graph()),
        "edges": hashed(graph(edges=[]), graph()),
        "max_iterations": hashed(graph(max_iterations=2), graph()),
        "on_no_match": hashed(graph(on_no_match="fail"), graph()),
        "on_max_iterations": hashed(graph(on_max_iterations="end"), graph()),
    },
    "Edge": {
        "from_": hashed(graph(edges=[{"from": "b", "to": "a"}]), graph()),
        "to": hashed(graph(edges=[{"from": "a", "to": ["a"]}]), graph()),
        "choose": hashed(choosing(), graph()),
    },
    "Choice": {
        "when": hashed(choosing(when="{{ iteration > 1 }}"), choosing()),
        "to": hashed(choosing(to="a"), choosing()),
    },
    "EvaluatorOptimizer": {"type": hashed(optimizer()), "config": hashed(optimizer(producer="critic"), optimizer())},
    "EvaluatorOptimizerConfig": {
        "producer": hashed(optimizer(producer="critic"), optimizer()),
        "evaluator": hashed(optimizer(evaluator=OTHER), optimizer()),
        "accept": hashed(accepting(min_score=8), optimizer()),
        "min_score": hashed(optimizer(accept=None, min_score=8), optimizer()),
        "max_iters": hashed(optimizer(accept=None, min_score=7, max_iters=9), optimizer()),
        "revise_prompt": hashed(optimizer(revise_prompt="Again: {{ draft }}"), optimizer()),
        "review_gate": hashed(optimizer(review_gate=GATE), optimizer()),
    },
    "Accept": {
        "min_score": hashed(accepting(min_score=8), accepting()),
        "max_iters": hashed(accepting(max_iters=9), accepting()),
        "on_exhausted": hashed(accepting(on_exhausted="fail"), accepting()),
    },
    "OrchestratorWorkers": {"type": hashed(workers()), "config": hashed(workers(reduce=ASKED), workers())},
    "OrchestratorWorkersConfig": {
        "orchestrator": hashed(workers(orchestrator=OTHER), workers()),
        "worker_template": hashed(workers(worker_template=OTHER), workers()),
        "decomposition_review": hashed(workers(decomposition_review=GATE), workers()),
        "reduce_review": hashed(workers(reduce=ASKED, reduce_review=GATE), workers(reduce=ASKED)),
        "reduce": hashed(workers(reduce=ASKED), workers()),
        "writeup": hashed(workers(writeup=ASKED), workers()),
    },
    "Orchestrator": {
        "agent": hashed(workers(orchestrator=OTHER), workers()),
        "input": hashed(workers(orchestrator={**ASKED, "input": "Split."}), workers()),
        "limits": hashed(limited(max_rounds=2), workers()),
    },
    "OrchestratorLimits": {
        "max_workers": acts(limited(max_workers=2), workers()),
        "max_rounds": hashed(limited(max_rounds=2), workers()),
        "max_tasks": hashed(limited(max_tasks=2), workers()),
        "on_exhausted": hashed(limited(on_exhausted="fail"), workers()),
    },
    "WorkerTemplate": {
        "agent": hashed(workers(worker_template=OTHER), workers()),
        "tools": hashed(workers(worker_template={**ASKED, "tools": ["calculator"]}), workers()),
    },
    "Gate": {
        "type": hashed(gated(), workflow(pattern=chain("Write."))),
        "prompt": hashed(gated(prompt="Stop?"), gated()),
        "context_display": hashed(gated(context_display="{{ last_response }}"), gated()),
        "default": hashed(gated(default="yes"), gated()),
        "timeout_seconds": acts(gated(timeout_seconds=9), gated()),
    },
    "GateTask": {
        "type": hashed(gated_task(), workflow(pattern=dag({"id": "a"}))),
        "prompt": hashed(gated_task(prompt="Stop?"), gated_task()),
        "context_display": hashed(gated_task(context_display="It?"), gated_task()),
        "default": hashed(gated_task(default="yes"), gated_task()),
        "timeout_seconds": acts(gated_task(timeout_seconds=9), gated_task()),
        "id": hashed(gated_task(id="c"), gated_task()),
        "deps": hashed(gated_task(deps=["a"]), gated_task()),
    },
}  # fmt: skip

FIELDS |= PATTERN_FIELDS
ROWS = [pytest.param(found, id=f"{shape}.{name}") for shape, rows in FIELDS.items() for name, found in rows.items()]


# -- the table --------------------------------------------------------------------------------------------------------


def test_every_field_of_the_language_is_sorted_into_the_table() -> None:
    language = {name: set(shape.model_fields) for name, shape in shapes().items()}
    assert {name: set(rows) for name, rows in FIELDS.items()} == language


@pytest.mark.parametrize("found", ROWS)
def test_a_field_does_what_the_table_says(found: Row) -> None:
    assert verdict(found) == found.verdict


def verdict(found: Row) -> str:
    """What a field really does: both files are planned, and their plans compared."""
    before = plan_of(found.before, variables=found.variables, root=HOME)
    try:
        after = plan_of(found.after, variables=found.variables, root=HOME)
    except RunnerError as error:
        offered = any("not offered in this version" in finding.message for finding in error.findings)
        return "refused" if offered else "checks"
    if before.config_hash != after.config_hash:
        return "hashed"
    return "words" if bare(before) == bare(after) else "acts"


def bare(value: Any) -> Any:
    """A plan as data, without where things stand in the file."""
    if isinstance(value, dict):
        return {key: bare(inner) for key, inner in value.items() if key not in ("at", "warnings")}
    if isinstance(value, list | tuple):
        return [bare(inner) for inner in value]
    return bare(asdict(value)) if hasattr(value, "__dataclass_fields__") else value


# -- the recipes ------------------------------------------------------------------------------------------------------


def test_every_kind_of_recipe_is_sorted() -> None:
    assert digest.HASHED.keys() == digest.NOT_HASHED.keys()
    assert digest.HASHED.keys() == {ModelRecipe, AgentRecipe, Step, Gate, ContextPlan, CompactionPlan, NotesPlan}


@pytest.mark.parametrize("recipe", digest.HASHED)
def test_every_field_of_a_recipe_is_sorted_in_or_out(recipe: type) -> None:
    hashed_fields, others = digest.HASHED[recipe], set(digest.NOT_HASHED[recipe])
    assert hashed_fields & others == set()
    assert hashed_fields | others == {field.name for field in fields(recipe)}


CHANGED: dict[str, Any] = {
    "provider": "ollama",
    "model_id": "n",
    "host": "http://x",
    "region": "eu",
    "temperature": 0.1,
    "top_p": 0.1,
    "max_tokens": 1,
    "params": {"a": 1},
    "prompt_cache": True,
    "id": "other",
    "prompt": "Other.",
    "model": model(model_id="n"),
    "tools": ("calculator",),
    "output_schema": {"type": "object"},
    "input_schema": {"type": "object"},
    "config_hash": "other",
    "path": "steps[1]",
    "agent": agent("critic"),
    "input": "Other.",
    "vars": {"a": 1},
    "when": "false",
    "session": "talk",
    "fallbacks": (agent("critic"),),
    "reasks": 9,
    "otherwise": {},
    "timeout_s": 1.5,
    "retries": 9,
    "context_display": "Other.",
    "default": "yes",
    "reviews": "draft",
    "routes": ("a",),
    "max_tasks": 9,
    "at": None,
}
RECIPES = (ModelRecipe, AgentRecipe, Step, Gate)
CASES = [(recipe, name) for recipe in RECIPES for name in sorted(digest.HASHED[recipe])]
OTHERS = [(recipe, name) for recipe in RECIPES for name in digest.NOT_HASHED[recipe]]


def hash_with(recipe: type, **changes: Any) -> str:
    if recipe is ModelRecipe:
        return agent(model=replace(model(), **changes)).config_hash
    if recipe is AgentRecipe:
        return agent(**{"id": "writer", **changes}).config_hash
    build = gate if recipe is Gate else step
    return build(**{"path": "steps[0]", **changes}).config_hash


@pytest.mark.parametrize(("recipe", "name"), CASES, ids=lambda one: getattr(one, "__name__", one))
def test_a_field_that_is_sorted_in_changes_the_hash(recipe: type, name: str) -> None:
    assert hash_with(recipe, **{name: CHANGED[name]}) != hash_with(recipe)


@pytest.mark.parametrize(("recipe", "name"), OTHERS, ids=lambda one: getattr(one, "__name__", one))
def test_a_field_that_is_sorted_out_does_not(recipe: type, name: str) -> None:
    assert hash_with(recipe, **{name: CHANGED[name]}) == hash_with(recipe)


def test_the_reason_for_each_field_sorted_out_is_told() -> None:
    assert all(reason for reasons in digest.NOT_HASHED.values() for reason in reasons.values())


def test_what_the_model_is_told_of_a_tool_is_in_the_hash() -> None:
    told = digest.sign_agent(agent(tools=("calculator",)), lambda _: "an older description")
    assert told.config_hash != agent(tools=("calculator",)).config_hash


def test_a_secret_given_to_a_server_is_not_in_the_hash() -> None:
    one, other = (served(command="a", env={"TOKEN": f"{{{{ secrets.{name} }}}}"}) for name in ("A", "B"))
    declared = {"env": secrets("A", "B")}
    assert plan_of(one | declared).config_hash == plan_of(other | declared).config_hash


def test_an_agent_under_another_name_has_the_same_hash_and_its_step_another() -> None:
    writer_, twin = step(agent="writer"), step(agent="twin")
    assert writer_.agent.config_hash == twin.agent.config_hash
    assert writer_.config_hash != twin.config_hash


def test_a_policy_for_all_conversations_is_in_the_hash_of_every_step_and_of_no_agent() -> None:
    plain, noted = (plan_of({**RICH, "context_policy": policy}).steps() for policy in (None, {"notes": {"file": "a"}}))
    assert all(one.config_hash != other.config_hash for one, other in zip(plain, noted, strict=True))
    assert all(one.agent.config_hash == other.agent.config_hash for one, other in zip(plain, noted, strict=True))


def test_a_policy_that_is_switched_off_is_not_in_the_hash() -> None:
    off = workflow(context_policy={"compaction": {"enabled": False, "when_tokens_over": 9}})
    assert plan_of(off).config_hash == plan_of(workflow()).config_hash


# -- stability --------------------------------------------------------------------------------------------------------

RICH = workflow(
    runtime={"temperature": 0.25, "params": {"seed": 1, "stop": ["a", "b"], "logit": {"x": 1.5, "y": 2}}},
    tools={"python": ["current_time", "calculator"]},
    inputs={"values": {"topic": "tea", "tone": "calm"}},
    agents={"critic": {"prompt": "You judge.", "tools": [], "inference": {"top_p": 0.5, "temperature": 1}}},
    pattern=dag(
        {"id": "one", "input": "{{ topic }} {{ tone }}"},
        {"id": "two", "agent": "critic", "vars": {"z": 1, "a": 2}},
        {"id": "three", "deps": ["one", "two"], "input": "{{ tasks.one.response }} ü"},
    ),
)
PRINT_HASH = "import sys; from tests.build import plan_of; print(plan_of(sys.stdin.read()).config_hash)"


def test_the_hash_is_the_same_in_processes_with_other_hash_seeds() -> None:
    found = {
        subprocess.run(
            [sys.executable, "-c", PRINT_HASH],
            input=as_text(RICH),
            cwd=HOME,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(HOME), "PYTHONUTF8": "1"},
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=True,
        ).stdout.strip()
        for seed in ("1", "77")
    }
    assert found == {plan_of(RICH).config_hash}


def test_the_order_of_keys_in_the_file_does_not_matter() -> None:
    assert plan_of(_backwards(RICH)).config_hash == plan_of(RICH).config_hash


def _backwards(value: Any) -> Any:
    if isinstance(value, dict):
        # The properties of a schema are sent to the model as they are written, and answered in that order.
        return {key: value[key] if key == "output_schema" else _backwards(value[key]) for key in reversed(value)}
    return [_backwards(one) for one in value] if isinstance(value, list) else value


def test_the_order_of_properties_is_part_of_the_question_and_of_the_hash() -> None:
    """A model is sent a schema's properties in their order, and writes them in it."""
    one, other = ({"properties": {name: {} for name in order}} for order in ("ab", "ba"))
    assert plan_of(writer(output_schema=one)).config_hash != plan_of(writer(output_schema=other)).config_hash


def test_the_order_of_branches_is_part_of_the_answer_and_of_the_hash() -> None:
    one, other = parallel(a="A.", b="B."), parallel(b="B.", a="A.")
    assert plan_of(workflow(pattern=one)).config_hash != plan_of(workflow(pattern=other)).config_hash


def test_the_same_plan_under_another_file_name_has_the_same_hash() -> None:
    assert plan_of(as_text(RICH) + "# a comment\n").config_hash == plan_of(RICH).config_hash


def test_a_whole_number_where_a_fraction_may_stand_is_that_fraction() -> None:
    assert plan_of(runtime(temperature=0)).config_hash == plan_of(runtime(temperature=0.0)).config_hash


@pytest.mark.parametrize("recipe", [agent().config_hash, step().config_hash, plan_of(workflow()).config_hash])
def test_a_hash_is_sha256_in_hexadecimal(recipe: str) -> None:
    assert len(recipe) == 64
    assert int(recipe, 16) >= 0
