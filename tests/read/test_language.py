"""The whole language is read: seven patterns, every spelling, every kind of declaration."""

from __future__ import annotations

from typing import Any

import pytest

from runner.spec import models as spec
from runner.spec.models import Spec
from tests.build import chain, dag, parallel, spec_of, workflow

GATE = {"type": "hitl", "prompt": "Go on?", "default": "yes", "timeout_seconds": 60}

SAMPLES: dict[str, dict[str, Any]] = {
    "chain": chain("First.", {"id": "second", "input": "{{ steps[0].response }}", "vars": {"tone": "calm"}}, GATE),
    "routing": {
        "type": "routing",
        "config": {
            "router": {"agent": "writer", "input": "Which?", "max_retries": 1, "review_router": GATE},
            "routes": {"billing": {"then": [{"agent": "writer"}]}, "other": {"then": [GATE]}},
        },
    },
    "parallel": parallel({"id": "one", "steps": ["A.", "B."]}, {"id": "two", "steps": [GATE]}, reduce="Join."),
    "workflow": dag({"id": "a"}, {"id": "b", "deps": ["a"], "description": "Then b."}),
    "graph": {
        "type": "graph",
        "config": {
            "nodes": {"ask": {"agent": "writer", "input": "Ask."}, "end": {"agent": "writer"}},
            "edges": [
                {"from": "ask", "choose": [{"when": "{{ true }}", "to": "end"}, {"when": "else", "to": "ask"}]},
                {"from": "end", "to": ["ask"]},
            ],
            "max_iterations": 3,
        },
    },
    "evaluator_optimizer": {
        "type": "evaluator_optimizer",
        "config": {
            "producer": "writer",
            "evaluator": {"agent": "writer", "input": "Judge {{ draft }}"},
            "accept": {"min_score": 7.5, "max_iters": 2, "on_exhausted": "accept_last"},
            "revise_prompt": "Better: {{ draft }}",
            "review_gate": GATE,
        },
    },
    "orchestrator_workers": {
        "type": "orchestrator_workers",
        "config": {
            "orchestrator": {"agent": "writer", "limits": {"max_workers": 4, "max_rounds": 2}},
            "worker_template": {"agent": "writer", "tools": ["calculator"]},
            "decomposition_review": GATE,
            "reduce_review": GATE,
            "reduce": {"agent": "writer"},
            "writeup": {"agent": "writer"},
        },
    },
}


def config_of(pattern: dict[str, Any]) -> Any:
    return spec_of(workflow(pattern=pattern)).pattern.config


@pytest.mark.parametrize("name", SAMPLES)
def test_every_pattern_is_read(name: str) -> None:
    assert spec_of(workflow(pattern=SAMPLES[name])).pattern.type == name


def test_there_are_seven_patterns() -> None:
    found = Spec.model_json_schema()["properties"]["pattern"]["discriminator"]["mapping"]
    assert set(found) == set(SAMPLES)


@pytest.mark.parametrize("spelling", ["tokens", "max_tokens"])
def test_a_token_budget_has_two_spellings(spelling: str) -> None:
    budgets = spec_of(workflow(runtime={"budgets": {spelling: 100_000}})).runtime.budgets
    assert budgets is not None
    assert budgets.max_tokens == 100_000


@pytest.mark.parametrize("spelling", ["deps", "depends_on"])
def test_the_needs_of_a_task_have_two_spellings(spelling: str) -> None:
    assert config_of(dag({"id": "a"}, {"id": "b", spelling: ["a"]})).tasks[1].deps == ["a"]


@pytest.mark.parametrize("score", [7, 9.5])
def test_acceptance_may_be_written_flat(score: float) -> None:
    config: dict[str, Any] = {"producer": "writer", "evaluator": {"agent": "writer"}}
    found = config_of({"type": "evaluator_optimizer", "config": {**config, "min_score": score, "max_iters": 3}})
    assert (found.min_score, found.max_iters) == (score, 3)


@pytest.mark.parametrize("acceptance", [{}, {"max_iters": 3}, {"min_score": 7, "accept": {"min_score": 7}}])
def test_acceptance_is_written_exactly_once(acceptance: dict[str, Any]) -> None:
    from runner.errors import SpecError

    config: dict[str, Any] = {"producer": "writer", "evaluator": {"agent": "writer"}, **acceptance}
    with pytest.raises(SpecError, match="say when a draft is good enough once"):
        config_of({"type": "evaluator_optimizer", "config": config})


def test_an_input_is_declared_by_a_type_or_in_full() -> None:
    full = {"type": "integer", "description": "how many", "default": 3, "enum": [1, 2, 3]}
    inputs = spec_of(workflow(inputs={"required": {"topic": "string"}, "optional": {"count": full}})).inputs
    assert inputs.required == {"topic": "string"}
    assert inputs.optional["count"] == spec.InputDeclaration(
        type="integer", description="how many", default=3, enum=[1, 2, 3]
    )


@pytest.mark.parametrize("version", [0, 1])
def test_both_versions_are_read(version: int) -> None:
    assert spec_of(workflow(version=version)).version == version


def test_the_defaults_are_those_of_the_language() -> None:
    source = spec_of(workflow(runtime={"budgets": {}}))
    assert source.runtime.budgets is not None
    policy = source.runtime.failure_policy
    assert source.runtime.max_parallel == 5
    assert source.runtime.budgets.warn_threshold == 0.8
    assert (policy.retries, policy.backoff, policy.wait_min, policy.wait_max) == (2, "exponential", 1, 60)
    assert policy.on_failure == "fail_fast"


def test_a_spec_cannot_be_changed() -> None:
    from pydantic import ValidationError

    with pytest.raises(ValidationError, match="frozen"):
        spec_of(workflow()).name = "other"  # type: ignore[misc]


def test_the_whole_of_the_language_is_read() -> None:
    """One file with every part of the top level in it, as docs/language.md lists them."""
    everything = workflow(
        description="all of it",
        metadata={"name": "m", "description": "d", "labels": {"team": "x"}},
        tags=["a", "b"],
        inputs={"values": {"topic": "tea"}},
        env={"secrets": [{"key": "K", "name": "n", "source": "ssm", "path": "p"}], "mounts": {"/a": "/b"}},
        telemetry={
            "otel": {"endpoint": "http://localhost:4318", "service_name": "s", "sample_ratio": 0.5},
            "redact": {"tool_inputs": False, "tool_outputs": True},
        },
        context_policy={
            "compaction": {"enabled": True, "when_tokens_over": 100, "summarization_model": "m"},
            "notes": {"file": "notes.md", "include_last": 3, "format": "json"},
            "retrieval": {"jit_tools": ["grep"], "mcp_servers": ["one"]},
        },
        skills=[{"id": "pdf", "path": "skills/pdf", "description": "d", "preload_metadata": False}],
        tools={
            "python": ["calculator", {"callable": "package.module:function"}],
            "http_executors": [
                {
                    "id": "api",
                    "base_url": "https://example.com",
                    "headers": {"A": "b"},
                    "timeout_ms": 100,
                    "examples": [{"path": "x"}],
                    "common_endpoints": [{"path": "/a", "description": "d", "method": "GET"}],
                    "response_format": "json",
                    "authentication_info": "none",
                }
            ],
            "mcp": [
                {"id": "one", "command": "x", "args": ["-a"], "env": {"A": "b"}},
                {"id": "two", "url": "https://x", "headers": {"A": "b"}},
            ],
        },
        outputs={
            "artifacts": [{"path": "a.md", "from": "{{ last_response }}"}],
            "step_outputs": {"answer": "{{ last_response }}"},
        },
        security={"guardrails": {"deny_network": True, "pii_redaction": True, "allow_tools": ["calculator"]}},
    )
    source = spec_of(everything)
    unsaid = [name for name, value in source if value is None]
    assert unsaid == []
