"""What a workflow is told of its event, in whole runs: from a host, from git, from a file, and from nobody."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.build import as_text
from tests.facts.repository import Repository
from tests.servers import OpenAIServer
from tests.servers.github import TOKEN, GitHub, Job, secondary
from tests.workspace import Outcome, Workspace, chain, workflow

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.github import Pull

FILES = {"src/a.py": ("one\ntwo\n", "one\n2\n")}


@pytest.fixture
def model() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def github() -> Iterator[GitHub]:
    with GitHub({"contents": "read", "pull_requests": "read", "actions": "read"}) as server:
        yield server


def asked(model: OpenAIServer) -> list[str]:
    return [request.user_texts[-1] for request in model.requests]


def on_pull(workspace: Workspace, github: GitHub, **changes: Any) -> Pull:
    """A pull request, which is the event from now on."""
    pull = github.pull(FILES, **changes)
    workspace.event("pull_request", github.events.pull_request(pull))
    workspace.environ |= github.environ
    return pull


def run(workspace: Workspace, model: OpenAIServer, template: str, **inputs: str) -> Outcome:
    return workspace.run(workflow(model.url, chain(template)), github_token=TOKEN, **inputs)


# -- from the host ----------------------------------------------------------------------------------------------------


def test_a_template_names_the_pull_request_of_its_event(
    workspace: Workspace, model: OpenAIServer, github: GitHub
) -> None:
    on_pull(workspace, github, title="Fix it", author="mona")
    outcome = run(workspace, model, "{{ pr.title }} by {{ pr.author }} ({{ github.event.action }})")
    assert outcome.exit_code == 0, outcome.log
    assert asked(model) == ["Fix it by mona (opened)"]
    assert github.asked == []


def test_its_change_is_fetched_once_for_all_templates(
    workspace: Workspace, model: OpenAIServer, github: GitHub
) -> None:
    on_pull(workspace, github)
    spec = workflow(model.url, chain("{{ pr.diff }}", "{{ pr.diff }} {{ pr.files[0].path }}"))
    outcome = workspace.run(spec, github_token=TOKEN)
    assert outcome.exit_code == 0, outcome.log
    assert all("two" in one and "src/a.py" in one for one in asked(model))
    assert len(github.asked) == 3


def test_what_a_run_was_told_is_among_its_files(workspace: Workspace, model: OpenAIServer, github: GitHub) -> None:
    on_pull(workspace, github, title="Fix it")
    outcome = run(workspace, model, "{{ pr.title }} {{ pr.diff }}")
    told = json.loads((workspace.root / "strands-artifacts/facts.json").read_text())
    assert told["pr"]["title"] == "Fix it"
    assert [one["filename"] for one in told["pr"]["files"]] == ["src/a.py"]

    workspace.event("push", {})
    again = run(workspace, model, "{{ pr.title }} {{ pr.diff }}", facts="strands-artifacts/facts.json")
    assert (outcome.exit_code, again.exit_code) == (0, 0), again.log
    assert asked(model)[0] == asked(model)[1]


def test_a_strangers_words_are_no_template_and_hide_nothing(workspace: Workspace, model: OpenAIServer) -> None:
    title, body = "{{ 7 * 7 }}{% raw %}", "Seen.<!-- hidden orders -->\u200b\U000e0041 Seen too.\n<!-- and more"
    facts = {"pr": {"title": title, "body": body}}
    workspace.write("facts.yaml", facts)
    outcome = run(workspace, model, "{{ pr.title }}|{{ pr.body }}", facts="facts.yaml")
    assert outcome.exit_code == 0, outcome.log
    assert asked(model) == ["{{ 7 * 7 }}{% raw %}|Seen. Seen too.\n"]


def test_a_strangers_run_is_told_too(workspace: Workspace, model: OpenAIServer) -> None:
    base = {"flow.yaml": as_text(workflow(model.url, chain("{{ pr.title }} {{ pr.head.fork }}")))}
    with GitHub(files=base) as github:
        on_pull(workspace, github, title="From afar", fork=github.also("stranger/hello", fork=True))
        outcome = workspace.action(spec="flow.yaml", github_token=TOKEN)
    assert (outcome.exit_code, outcome.outputs["trust"]) == (0, "untrusted"), outcome.log
    assert asked(model) == ["From afar true"]


def test_an_event_without_a_pull_request_says_what_to_do(workspace: Workspace, model: OpenAIServer) -> None:
    workspace.event("push", {}, REPOSITORY="octocat/hello")
    outcome = run(workspace, model, "{{ pr.title }}")
    assert outcome.exit_code == 2
    assert "`pr`: the event 'push' has no pull request. Name a revision to compare with by the input" in outcome.log
    assert model.requests == []


def test_a_template_may_ask_whether_there_is_a_pull_request(workspace: Workspace, model: OpenAIServer) -> None:
    workspace.event("push", {}, REPOSITORY="octocat/hello")
    outcome = run(workspace, model, "{% if pr is defined %}{{ pr.title }}{% else %}none{% endif %}")
    assert outcome.exit_code == 0, outcome.log
    assert asked(model) == ["none"]


@pytest.mark.parametrize("event", ["push", "pull_request"])
def test_a_base_is_compared_with_the_jobs_commit_whatever_the_event(
    workspace: Workspace, model: OpenAIServer, github: GitHub, event: str
) -> None:
    pull = on_pull(workspace, github, title="Fix it")
    workspace.event(event, github.events.pull_request(pull), SHA=pull.head, REF_NAME="change")
    outcome = run(workspace, model, "{{ pr.commits[0].message }} {{ pr.number }} {{ pr.diff }}", diff_base="main")
    assert outcome.exit_code == 0, outcome.log
    assert asked(model)[0].startswith("Fix it  Each line begins")
    assert "src/a.py" in asked(model)[0]
    assert not any("/pulls/" in one for one in github.asked)


def test_a_host_that_does_not_say_is_told_of_before_a_token_is_spent(workspace: Workspace, model: OpenAIServer) -> None:
    with GitHub({}, private=True) as github:
        on_pull(workspace, github)
        outcome = run(workspace, model, "{{ pr.diff }}")
    assert outcome.exit_code == 2
    assert "`pr` cannot be had from the host: the token may not read this: give the job `permissions:" in outcome.log
    assert model.requests == []


def test_the_host_is_not_waited_for_longer_than_the_run_may_take(
    workspace: Workspace, model: OpenAIServer, github: GitHub
) -> None:
    on_pull(workspace, github)
    github.fail(secondary(30), on="GET */files")
    outcome = run(workspace, model, "{{ pr.diff }}", timeout="20")
    assert (outcome.exit_code, model.requests) == (2, [])
    assert "to wait 30 s for pulls/1/files is more than there is time for" in outcome.log


def test_no_secret_is_in_what_is_written_down(workspace: Workspace, model: OpenAIServer, github: GitHub) -> None:
    workspace.environ["OPENAI_API_KEY"] = "sk-of-a-test-0123456789"
    on_pull(workspace, github, body="It is sk-of-a-test-0123456789, is it not?")
    run(workspace, model, "{{ pr.body }} {{ github.event.action }}")
    assert "sk-of-a-test" not in (workspace.root / "strands-artifacts/facts.json").read_text()
    assert asked(model) == ["It is ***, is it not? opened"]


def test_the_log_of_a_job_that_failed_is_told(workspace: Workspace, model: OpenAIServer, github: GitHub) -> None:
    run_before = github.repository.run([Job("test", log="boom\n", steps={"make": "failure"})])
    workspace.event("workflow_run", github.events.workflow_run(run_before))
    workspace.environ |= github.environ
    outcome = run(
        workspace, model, "{% for job in ci.failed %}{{ job.name }}: {{ job.step }}: {{ job.log }}{% endfor %}"
    )
    assert outcome.exit_code == 0, outcome.log
    assert asked(model) == ["test: make: boom\n"]


# -- from git ---------------------------------------------------------------------------------------------------------


def test_on_a_laptop_the_same_file_looks_at_the_branch(workspace: Workspace, model: OpenAIServer) -> None:
    Repository(workspace.root).commit("Second line", **{"a.txt": "one\n2\n"})
    workspace.write("flow.yaml", workflow(model.url, chain("{{ pr.title }}: {{ pr.diff }} {{ github.ref }}")))
    for more in ([], ["--diff-base", "main"]):
        outcome = workspace.command("run", "flow.yaml", *more)
        assert outcome.exit_code == 0, outcome.log
    assert asked(model)[0] == asked(model)[1]
    assert asked(model)[0].startswith("Second line: ")
    assert "a.txt" in asked(model)[0]


def test_what_only_a_host_tells_is_not_made_up(workspace: Workspace, model: OpenAIServer) -> None:
    Repository(workspace.root)
    for template, told in (
        ("{{ github.event.issue.title }}", "github.event: what a CI host tells, and there is none here"),
        ("{{ ci.failed }}", "`ci` is what a CI host tells, and there is none here"),
    ):
        workspace.write("flow.yaml", workflow(model.url, chain(template)))
        outcome = workspace.command("run", "flow.yaml")
        assert outcome.exit_code == 2
        assert told in outcome.log


# -- from files -------------------------------------------------------------------------------------------------------


def test_a_replay_asks_nobody_and_says_the_same(workspace: Workspace, model: OpenAIServer, github: GitHub) -> None:
    on_pull(workspace, github, title="Fix it", body="half a pair \ud83d")
    recorded = run(workspace, model, "{{ pr.title }}: {{ pr.body }} {{ pr.diff }}", mode="record")
    assert recorded.exit_code == 0, recorded.log
    before = github.asked
    assert yaml.safe_load((workspace.root / "fixtures/test/facts.yaml").read_text())["pr"]["title"] == "Fix it"

    workspace.event("push", {})
    replayed = run(workspace, model, "{{ pr.title }}: {{ pr.body }} {{ pr.diff }}", mode="replay")
    assert replayed.exit_code == 0, replayed.log
    assert replayed.outputs["response"] == recorded.outputs["response"]
    assert (github.asked, len(model.requests)) == (before, 1)


def test_facts_that_were_recorded_are_kept_when_others_are_recorded(
    workspace: Workspace, model: OpenAIServer, github: GitHub
) -> None:
    on_pull(workspace, github, title="Fix it")
    run(workspace, model, "{{ pr.title }}", mode="record")
    on_pull(workspace, github, title="Another")
    again = run(workspace, model, "{{ pr.title }}", mode="record")
    assert again.exit_code == 0, again.log
    assert asked(model) == ["Fix it"]


def test_a_replay_without_facts_is_told(workspace: Workspace, model: OpenAIServer) -> None:
    outcome = run(workspace, model, "{{ pr.title }}", mode="replay")
    assert outcome.exit_code == 14
    assert "there are no facts of the event in fixtures/test/facts.yaml, and neither a replay nor a test" in outcome.log


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("pr: {titel: x}", "facts.yaml:1:6: unknown key 'titel'; did you mean 'title'?"),
        ("pr: {title: 3}", "facts.yaml:1:13: pr.title: 3"),
        ('{"pr": {"title": 3}}', "facts.yaml:1:18: pr.title: 3"),
        ("pr:", "facts.yaml:1:4: pr: None should be a mapping"),
        ("", "the file is empty; a file of facts has one or more of github, pr, ci"),
        ("github: {sha: abc}", "`pr` is not among the facts in facts.yaml, and a template names it"),
        ("pr: {body: x}", "pr.title: not among the facts in facts.yaml, and a template asks for it"),
        ("pr: {title: x, diff: nonsense}", "line 1: a file begins with 'diff --git'"),
    ],
)
def test_a_file_that_is_wrong_is_told(workspace: Workspace, model: OpenAIServer, content: str, told: str) -> None:
    workspace.write("facts.yaml", content)
    outcome = run(workspace, model, "{{ pr.title }}", facts="facts.yaml")
    assert outcome.exit_code in (2, 3)
    assert told in outcome.log
    assert model.requests == []


@pytest.mark.parametrize("name", ["facts.yaml", "{here}/facts.yaml", "{here}/../{here.name}/facts.yaml"])
def test_a_link_of_the_repository_leads_to_no_file_elsewhere(
    workspace: Workspace, model: OpenAIServer, name: str
) -> None:
    (workspace.root / "facts.yaml").symlink_to("/etc/hostname")
    outcome = run(workspace, model, "{{ pr.title }}", facts=name.format(here=workspace.root))
    assert outcome.exit_code == 12
    assert "facts.yaml leads out of the workspace" in outcome.log


def test_a_file_elsewhere_is_named_as_a_whole(workspace: Workspace, model: OpenAIServer, tmp_path: Path) -> None:
    (tmp_path / "facts.yaml").write_text("pr: {title: T}")
    assert run(workspace, model, "{{ pr.title }}", facts=str(tmp_path / "facts.yaml")).exit_code == 0


def test_a_file_may_be_written_by_hand(workspace: Workspace, model: OpenAIServer) -> None:
    diff = "diff --git a/a b/a\n--- a/a\n+++ b/a\n@@ -1 +1 @@\n-one\n+two\n"
    workspace.write("facts.yaml", {"pr": {"title": "T", "diff": diff}})
    outcome = run(workspace, model, "{{ pr.title }} {{ pr.diff }}", facts="facts.yaml")
    assert outcome.exit_code == 0, outcome.log
    assert "two" in asked(model)[0]


def test_what_a_file_leaves_out_within_a_part_is_empty(workspace: Workspace, model: OpenAIServer) -> None:
    pull = {"commits": [{"sha": "abc"}], "comments": [{"author": "mona"}], "head": {"ref": "change"}}
    workspace.write("facts.yaml", {"pr": pull, "ci": {"failed": [{"name": "test"}]}})
    template = "{{ pr.commits[0].message }}{{ pr.comments[0].body }}{{ pr.head.sha }}{{ ci.failed[0].log }}."
    outcome = run(workspace, model, template, facts="facts.yaml")
    assert outcome.exit_code == 0, outcome.log
    assert asked(model) == ["."]


def test_half_a_character_in_a_file_is_none(workspace: Workspace, model: OpenAIServer) -> None:
    workspace.write("facts.yaml", '{"github": {"event": {"title": "half \\ud83d"}}}')
    outcome = run(workspace, model, "{{ github.event.title }}", facts="facts.yaml")
    assert outcome.exit_code == 0, outcome.log
    assert asked(model) == ["half ?"]


def test_a_payload_may_nest_as_deeply_as_it_can_be_read(workspace: Workspace, model: OpenAIServer) -> None:
    workspace.event("push", '{"a": ' + "[" * 600 + "]" * 600 + "}", REPOSITORY="octocat/hello")
    outcome = run(workspace, model, "{{ github.event.a | length }}")
    assert outcome.exit_code == 0, outcome.log


def test_a_case_names_its_facts(workspace: Workspace, model: OpenAIServer) -> None:
    workspace.environ["OPENAI_API_KEY"] = "sk-of-a-test-0123456789"
    workspace.write("workflow.yaml", workflow(model.url, chain("{{ pr.title }}")))
    for name in ("One", "Two"):
        workspace.write(f"told/{name}.yaml", {"pr": {"title": name}})
    cases = [{"name": name, "facts": f"told/{name}.yaml"} for name in ("One", "Two")]
    spec = workspace.write("workflow.test.yaml", {"cases": cases})
    assert workspace.action(spec=spec, mode="record").exit_code == 0
    assert asked(model) == ["One", "Two"]
    outcome = workspace.action(spec=spec, mode="test")
    assert outcome.exit_code == 0, outcome.log
    assert outcome.outputs["tests-passed"] == "2"

    workspace.write("told/Two.yaml", {"pr": {"title": "Three"}})
    assert workspace.action(spec=spec, mode="test").exit_code != 0


def test_a_case_without_facts_does_not_look_at_the_event(
    workspace: Workspace, model: OpenAIServer, github: GitHub
) -> None:
    on_pull(workspace, github)
    workspace.write("workflow.yaml", workflow(model.url, chain("{{ pr.title }}")))
    spec = workspace.write("workflow.test.yaml", {"cases": [{"name": "one"}]})
    outcome = workspace.action(spec=spec, mode="record", github_token=TOKEN)
    assert outcome.exit_code != 0
    assert "neither a replay nor a test asks anybody" in outcome.log


# -- from nobody ------------------------------------------------------------------------------------------------------


def test_a_variable_is_that_and_nothing_else(workspace: Workspace, model: OpenAIServer, github: GitHub) -> None:
    on_pull(workspace, github)
    outcome = run(workspace, model, "{{ pr.anything }}", variables="pr: {anything: mine}")
    assert outcome.exit_code == 0, outcome.log
    assert asked(model) == ["mine"]
    assert not (workspace.root / "strands-artifacts/facts.json").exists()


def test_an_input_of_that_name_is_that_and_nothing_else(workspace: Workspace, model: OpenAIServer) -> None:
    spec = workflow(model.url, chain("{{ ci }}"), inputs={"values": {"ci": "green"}})
    assert workspace.run(spec).exit_code == 0
    assert asked(model) == ["green"]


def test_neither_a_check_nor_a_plan_needs_any(workspace: Workspace, model: OpenAIServer) -> None:
    workspace.write("flow.yaml", workflow(model.url, chain("{{ pr.title }} {{ ci.failed }} {{ github.event }}")))
    for mode in ("validate", "plan"):
        assert workspace.action(spec="flow.yaml", mode=mode).exit_code == 0


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ({"facts": "facts.yaml"}, "input 'facts' is for a workflow whose templates name github, pr, ci, and this has"),
        ({"diff_base": "main"}, "input 'diff-base' is for a workflow whose templates name `pr`, and this has none"),
    ],
)
def test_an_input_that_nothing_would_look_at_is_refused(
    workspace: Workspace, model: OpenAIServer, inputs: dict[str, str], told: str
) -> None:
    outcome = run(workspace, model, "Hello.", **inputs)
    assert outcome.exit_code == 2
    assert told in outcome.log


# -- what was reviewed ------------------------------------------------------------------------------------------------

WRITES = {"contents": "read", "pull_requests": "write", "issues": "write"}


def reviewing(model: OpenAIServer) -> dict[str, Any]:
    policy = {"pull_request": {"incremental": True}}
    return workflow(model.url, chain("{{ pr.since }}|{{ pr.diff }}"), context_policy=policy)


def test_a_head_that_was_reviewed_is_not_reviewed_again(workspace: Workspace, model: OpenAIServer) -> None:
    with GitHub(WRITES) as github:
        pull = on_pull(workspace, github)
        first = workspace.run(reviewing(model), github_token=TOKEN, post="comment")
        assert first.exit_code == 0, first.log
        before = github.writes
        again = workspace.run(reviewing(model), github_token=TOKEN, post="comment")
        assert (again.exit_code, again.outputs["status"]) == (0, "skipped"), again.log
        told = f"nothing has changed since the review of {pull.head[:12]}, which stands at {github.url}"
        assert told in again.log
        assert told in again.summary
        assert again.outputs["posted-url"] == first.outputs["posted-url"]
        assert github.writes == before
    assert len(model.requests) == 1


def test_the_next_review_is_shown_what_came_since(workspace: Workspace, model: OpenAIServer) -> None:
    with GitHub(WRITES) as github:
        pull = on_pull(workspace, github)
        first = pull.head
        workspace.run(reviewing(model), github_token=TOKEN, post="comment")
        pull.push({"new.py": "x\n"})
        workspace.event("pull_request", github.events.pull_request(pull))
        outcome = workspace.run(reviewing(model), github_token=TOKEN, post="comment")
    assert outcome.exit_code == 0, outcome.log
    since, _, diff = asked(model)[1].partition("|")
    assert since == first
    assert "new.py" in diff
    assert "src/a.py" not in diff
    assert f"Only what has changed since {first} was looked at" in pull.comments[0].body


def test_a_comment_goes_to_the_head_whose_lines_were_seen(workspace: Workspace) -> None:
    with GitHub(WRITES) as github, OpenAIServer("Fine.") as model:
        pull = on_pull(workspace, github)
        head = pull.push({"src/a.py": "one\n3\n"})
        outcome = workspace.run(reviewing(model), github_token=TOKEN, post="comment")
        assert outcome.exit_code == 0, outcome.log
        assert f"head={head}" in pull.comments[0].body
