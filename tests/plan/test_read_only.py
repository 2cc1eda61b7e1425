"""A read-only plan: what of a file's tools, secrets and notes is left for a run that works for a stranger."""

from __future__ import annotations

import pytest

from runner.plan.catalogue import TOOLS
from runner.plan.plan import Plan
from tests.build import chain, plan_of, secrets, workflow

HARMLESS = {"calculator", "current_time", "file_read", "head", "tail", "grep", "search", "spec_verify"}


def planned(tools: list[str] | None = None, *, read_only: bool = True) -> Plan:
    desk = {"id": "desk", "base_url": "https://desk.example", "headers": {"Authorization": "{{ secrets.DESK }}"}}
    content = workflow(
        agents={"writer": {"tools": tools}},
        tools={"http_executors": [desk], "mcp": [{"id": "box", "command": "box"}]},
        security={"guardrails": {"allow_tools": [*TOOLS, "desk", "box"]}},
        context_policy={"notes": {"file": "notes.md"}},
        env=secrets("DESK"),
        pattern=chain("Write.", {"input": "Again.", "tool_overrides": ["calculator", "file_write"]}),
    )
    return plan_of(content, read_only=read_only)


@pytest.mark.parametrize("tool", [*TOOLS, "desk", "box"])
def test_only_tools_that_change_nothing_and_reach_nobody_are_left(tool: str) -> None:
    plan = planned([tool])
    assert (tool in plan.tools) == (tool in HARMLESS)
    assert plan.steps()[0].agent.tools == ((tool,) if tool in HARMLESS else ())
    assert plan.withheld == tuple(sorted({tool, "file_write"} - HARMLESS))


def test_what_one_step_asks_for_is_looked_at_as_well() -> None:
    assert planned(["grep"]).steps()[1].agent.tools == ("calculator",)


def test_an_agent_that_says_nothing_of_tools_gets_those_of_the_file_that_are_left() -> None:
    assert planned(None).steps()[0].agent.tools == ()
    assert planned(None, read_only=False).steps()[0].agent.tools == ("desk",)


def test_there_are_no_secrets_and_no_notes() -> None:
    plan, whole = planned(), planned(read_only=False)
    assert (plan.secrets, plan.context.notes) == ((), None)
    assert [one.called for one in whole.secrets] == ["DESK"]
    assert whole.context.notes is not None


def test_the_hashes_are_those_of_a_file_that_never_had_the_rest() -> None:
    content = workflow(agents={"writer": {"tools": ["grep", "file_write"]}})
    never = workflow(agents={"writer": {"tools": ["grep"]}})
    assert plan_of(content, read_only=True).config_hash == plan_of(never).config_hash != plan_of(content).config_hash
