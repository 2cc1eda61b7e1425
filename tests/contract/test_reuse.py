"""Agents and clients are used again, and no step hears another's words."""

from __future__ import annotations

import pytest

from tests.servers import SERVERS, Answer, BedrockServer, OpenAIServer
from tests.workspace import Workspace, chain, tasks, workflow

AWS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}
KEYS = {**AWS, "AZURE_OPENAI_API_KEY": "key-of-a-resource"}
"""What providers need that do not do without a key at a host of one's own."""


@pytest.mark.parametrize("late_end", [0.0, 0.1], ids=["prompt end", "late last chunk"])
def test_a_ten_step_chain_of_one_agent_builds_once_and_uses_one_connection(workspace: Workspace, late_end: float):
    with OpenAIServer(reply=lambda _: Answer("ok", late_end=late_end)) as server:
        outcome = workspace.run(workflow(server.url, chain(*(f"question {i}" for i in range(10)))))

    assert outcome.outputs["status"] == "success"
    assert [request.user_texts for request in server.requests] == [[f"question {i}"] for i in range(10)]
    counted = ("cache-builds", "cache-hits", "cache-hit-rate", "clients-created", "client-hits")
    assert [outcome.outputs[name] for name in counted] == ["1", "9", "90", "1", "9"]
    assert server.connections == 1
    assert "Cache hit rate: 90% (9 hits, 1 miss)" in outcome.log
    assert "Clients: 1 created, 9 reused" in outcome.log


def test_the_five_step_example_of_three_agents_has_three_builds_and_two_hits(workspace: Workspace):
    steps = [{"agent": name, "input": "go"} for name in ("researcher", "analyst", "researcher", "analyst", "writer")]
    agents = {name: {"prompt": f"You are the {name}."} for name in ("researcher", "analyst", "writer")}
    with OpenAIServer() as server:
        outcome = workspace.run(workflow(server.url, chain(*steps), agents=agents))

    assert [outcome.outputs[f"cache-{name}"] for name in ("builds", "hits", "hit-rate")] == ["3", "2", "40"]


def test_a_hundred_tasks_on_five_configurations_share_clients_and_connections(workspace: Workspace):
    agents = {f"a{i}": {"prompt": "p", "model_id": f"model-{i}"} for i in range(5)}
    rows = [{"id": f"t{i}", "agent": f"a{i % 5}", "input": "go"} for i in range(100)]
    pattern = {"type": "workflow", "config": {"tasks": rows}}
    with OpenAIServer(reply=lambda _: Answer(delay=0.02)) as server:
        outcome = workspace.run(workflow(server.url, pattern, agents=agents, runtime={"max_parallel": 10}))

    assert outcome.outputs["status"] == "success"
    assert outcome.outputs["clients-created"] == "1"  # a client is bound to an address, not to a model
    assert outcome.outputs["cache-builds"] == "5"
    assert {request.model for request in server.requests} == {f"model-{i}" for i in range(5)}
    assert len(server.requests) == 100
    assert server.max_in_flight == 10
    assert server.connections <= 10


@pytest.mark.parametrize("provider", sorted(SERVERS))
def test_calls_of_every_provider_share_one_client_and_one_connection(workspace: Workspace, provider: str):
    workspace.environ |= KEYS
    with SERVERS[provider]() as server:
        outcome = workspace.run(workflow(server.url, chain(*"abcde"), provider=provider))

    assert outcome.outputs["status"] == "success"
    assert outcome.outputs["clients-created"] == "1"
    assert outcome.outputs["total-tokens"] == "75"
    assert server.connections == 1


def test_sixteen_parallel_bedrock_calls_are_all_in_flight_at_once(workspace: Workspace):
    workspace.environ |= AWS
    pattern = tasks(**{f"t{i}": [] for i in range(16)})
    with BedrockServer(reply=lambda _: Answer(delay=0.6)) as server:
        outcome = workspace.run(workflow(server.url, pattern, provider="bedrock", runtime={"max_parallel": 16}))

    assert outcome.outputs["status"] == "success"
    assert server.max_in_flight == 16
    assert server.connections == 16


@pytest.mark.parametrize("provider", sorted(SERVERS))
def test_parallel_calls_of_every_provider_open_no_more_connections_than_max_parallel(
    workspace: Workspace, provider: str
):
    workspace.environ |= KEYS
    pattern = tasks(**{f"t{i}": [] for i in range(9)})
    with SERVERS[provider](reply=lambda _: Answer(delay=0.05)) as server:
        outcome = workspace.run(workflow(server.url, pattern, provider=provider, runtime={"max_parallel": 3}))

    assert outcome.outputs["status"] == "success"
    assert (server.max_in_flight, server.connections) == (3, 3)


def test_every_connection_is_closed_when_the_run_ends(workspace: Workspace):
    with OpenAIServer() as server:
        workspace.run(workflow(server.url, tasks(a=[], b=[], c=["a", "b"])))
        server.until(lambda: server.open == 0)
