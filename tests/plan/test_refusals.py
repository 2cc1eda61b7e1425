"""What cannot run is refused before it runs: by name, at its place, everything at once."""

from __future__ import annotations

from typing import Any

import pytest

from runner.plan.catalogue import TOOLS
from tests.build import chain, dag, findings_of, parallel, workflow


def refused(what: str, place: str) -> list[str]:
    return [f"workflow.yaml:{place}: {what} is not offered in this version"]


# -- names ------------------------------------------------------------------------------------------------------------


def test_an_unknown_agent_is_told_with_the_nearest() -> None:
    assert findings_of(workflow(pattern=chain({"agent": "writre"}))) == [
        "workflow.yaml:13:14: unknown agent 'writre'; did you mean 'writer'?"
    ]


@pytest.mark.parametrize(
    "pattern",
    [chain({"agent": "x"}), dag({"id": "a", "agent": "x"}), parallel(a="A.", reduce={"agent": "x", "input": "J."})],
)
def test_an_unknown_agent_is_found_in_every_pattern(pattern: dict[str, Any]) -> None:
    (found,) = findings_of(workflow(pattern=pattern))
    assert found.endswith("unknown agent 'x'; choose one of: writer")


def test_an_unknown_task_is_told_where_it_is_needed() -> None:
    pattern = dag({"id": "fetch"}, {"id": "merge", "depends_on": ["fetch", "fetsh"]})
    assert findings_of(workflow(pattern=pattern)) == [
        "workflow.yaml:21:9: task 'merge' needs unknown task 'fetsh'; did you mean 'fetch'?"
    ]


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        (dag({"id": "a"}, {"id": "b"}, {"id": "a"}), "19:11: task id 'a' stands here again"),
        (chain({"id": "a"}, {"id": "a"}), "16:11: step id 'a' stands here again"),
        (parallel({"id": "a", "steps": ["1"]}, {"id": "a", "steps": ["2"]}), "17:11: branch id 'a' stands here again"),
        (parallel({"id": "a", "steps": [{"id": "s"}, {"id": "s"}]}), "18:13: step id 's' stands here again"),
    ],
)
def test_an_id_that_stands_twice_is_told(pattern: dict[str, Any], said: str) -> None:
    found = findings_of(workflow(pattern=pattern))
    assert [line.split(": ", 1)[1] for line in found] == [said.split(": ", 1)[1]]


def test_steps_of_different_branches_may_have_the_same_id() -> None:
    pattern = parallel({"id": "a", "steps": [{"id": "s"}]}, {"id": "b", "steps": [{"id": "s"}]})
    assert findings_of(workflow(pattern=pattern)) == []


def test_everything_wrong_with_the_steps_is_told_at_once() -> None:
    pattern = dag({"id": "a", "agent": "x"}, {"id": "a", "agent": "y", "deps": ["nobody"]})
    assert len(findings_of(workflow(pattern=pattern))) == 4


# -- tools ------------------------------------------------------------------------------------------------------------


def test_a_tool_of_a_later_version_is_told_with_those_there_are() -> None:
    assert findings_of(workflow(agents={"writer": {"tools": ["tavily_search"]}})) == [
        f"workflow.yaml:10:7: tool 'tavily_search' is not offered in this version; it has: {', '.join(sorted(TOOLS))}"
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"tools": {"python": ["calculatro"]}},
        {"agents": {"writer": {"tools": ["calculatro"]}}},
        {"pattern": chain({"tool_overrides": ["calculatro"]})},
    ],
)
def test_an_unknown_tool_is_told_with_the_nearest(changes: dict[str, Any]) -> None:
    (found,) = findings_of(workflow(**changes))
    assert found.endswith(": unknown tool 'calculatro'; did you mean 'calculator'?")


def test_all_executors_of_a_file_without_one_are_not_silently_none() -> None:
    (found,) = findings_of(workflow(agents={"writer": {"tools": ["http_executors"]}}))
    assert found.endswith(
        "'http_executors' in a tool's place is all that tools.http_executors declares, and it declares none"
    )


def test_tools_unset_means_all_that_are_declared_and_an_empty_list_none() -> None:
    from tests.build import plan_of

    agents = {"writer": {"prompt": "a"}, "bare": {"prompt": "b", "tools": []}}
    pattern = chain("A.", {"agent": "bare"}, {"agent": "bare", "tool_overrides": ["current_time"]})
    declared = {"python": ["current_time", "calculator", "current_time"]}
    plan = plan_of(workflow(agents=agents, tools=declared, pattern=pattern))
    assert [step.agent.tools for step in plan.steps()] == [("current_time", "calculator"), (), ("current_time",)]


def test_a_provider_that_cannot_use_tools_says_so() -> None:
    runtime = {"provider": "local", "model_id": None}
    (found,) = findings_of(workflow(runtime=runtime, tools={"python": ["calculator"]}))
    assert found.endswith(": provider 'local' cannot use tools")


# -- providers --------------------------------------------------------------------------------------------------------


def test_a_provider_without_a_model_of_its_own_needs_one() -> None:
    assert findings_of(workflow(runtime={"model_id": None})) == [
        "workflow.yaml:4:13: provider 'openai' needs a model_id"
    ]


def test_an_agent_on_another_provider_needs_a_model_of_that_one() -> None:
    assert findings_of(workflow(agents={"writer": {"provider": "ollama"}})) == [
        "workflow.yaml:9:15: provider 'ollama' needs a model_id"
    ]


def test_an_address_needs_a_scheme() -> None:
    assert findings_of(workflow(runtime={"host": "localhost:11434"})) == [
        "workflow.yaml:6:9: host 'localhost:11434' needs a scheme, such as http://localhost:11434"
    ]


@pytest.mark.parametrize(
    ("runtime", "said"),
    [
        ({"region": "eu"}, "6:11: provider 'openai' takes no region"),
        ({"provider": "local", "host": "http://x"}, "6:9: provider 'local' takes no host"),
    ],
)
def test_an_address_that_a_provider_has_no_use_for_is_refused(runtime: dict[str, Any], said: str) -> None:
    assert findings_of(workflow(runtime=runtime)) == [f"workflow.yaml:{said}"]


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"runtime": {"provider": "azure_openai"}}, "4:13"),
        ({"agents": {"writer": {"provider": "azure_openai", "model_id": "m"}}}, "9:15"),
    ],
    ids=["of a run", "of an agent"],
)
def test_azure_needs_the_address_of_a_resource(changes: dict[str, Any], place: str) -> None:
    assert findings_of(workflow(**changes)) == [
        f"workflow.yaml:{place}: provider 'azure_openai' needs a host in runtime, the endpoint of its resource"
    ]


@pytest.mark.parametrize(
    ("provider", "name"),
    [
        ("openai", "messages"),
        ("anthropic", "system"),
        ("gemini", "system_instruction"),
        ("gemini", "systemInstruction"),
        ("gemini", "http_options"),
    ],
)
def test_params_cannot_replace_what_the_step_asks(provider: str, name: str) -> None:
    (found,) = findings_of(workflow(runtime={"provider": provider, "params": {name: {}}}))
    assert found.endswith(f": params cannot have '{name}', which is the step's own")


# -- the context of calls ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("/tmp/notes.md", "leads out of the workspace; name a path below it, such as notes/agents.md"),
        ("a/../../notes.md", "leads out of the workspace; name a path below it, such as notes/agents.md"),
        (".git/notes.md", "lies in .git; name one beside it, such as notes/agents.md"),
        ("sub/.GIT/hooks/post-checkout", "lies in .git; name one beside it, such as notes/agents.md"),
        ("", "is not the path of a file"),
        (".", "is not the path of a file"),
        ("notes/", "is not the path of a file"),
    ],
)
def test_notes_are_kept_inside_the_workspace(file: str, said: str) -> None:
    assert findings_of(workflow(context_policy={"notes": {"file": file}})) == [
        f"workflow.yaml:17:11: notes file {file!r} {said}"
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"summary_ratio": 0}, "18:20: a summary_ratio of 0 would summarise nothing"),
        ({"summarization_model": "n"}, "18:26: provider 'local' has one model"),
    ],
)
def test_a_summary_that_could_not_be_made_is_refused(changes: dict[str, Any], said: str) -> None:
    runtime = {"provider": "local", "model_id": None, "max_parallel": 1}
    policy = {"compaction": {"enabled": True, **changes}}
    assert findings_of(workflow(runtime=runtime, context_policy=policy)) == [f"workflow.yaml:{said}"]


# -- what this version does not run -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "what", "place"),
    [
        ({"env": {"mounts": {"a": "b"}}}, "env.mounts (a run's files are those of the workspace)", "17:5"),
    ],
)  # fmt: skip
def test_what_is_not_offered_is_refused_by_name_and_place(changes: dict[str, Any], what: str, place: str) -> None:
    assert findings_of(workflow(**changes)) == refused(what, place)


@pytest.mark.parametrize(
    "changes",
    [{"skills": []}, {"security": {}}, {"runtime": {"fallbacks": []}}],
)
def test_asking_for_nothing_is_not_refused(changes: dict[str, Any]) -> None:
    assert findings_of(workflow(**changes)) == []


def test_all_that_is_not_offered_is_told_at_once() -> None:
    changes = {"env": {"mounts": {"a": "b"}}, "tools": {"python": ["tavily_search"]}}
    assert len(findings_of(workflow(**changes))) == 2
