"""Whole runs for strangers and for writers: what runs, what it may use and read, and what is said of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.build import as_text
from tests.ci import events
from tests.ci.events import BASE, FORK, HEAD, HERE, MERGE, OWNER, STRANGER, TOKEN, GitHub, user
from tests.servers import OpenAIServer, Request
from tests.workspace import Outcome, Workspace, chain, read_outputs, workflow

SPEC = "agents/flow.yaml"
LEFT = {"file_read", "grep", "calculator"}
ALL_TOOLS = [*LEFT, "file_write", "web_fetch", "http_request", "python_exec", "desk"]


@pytest.fixture
def model() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


def flow(model: OpenAIServer, prompt: str = "You are of the base.", **changes: Any) -> dict[str, Any]:
    return workflow(
        model.url, chain("go"), agents={"writer": {"prompt": prompt, **changes.pop("agent", {})}}, **changes
    )


def armed(model: OpenAIServer) -> dict[str, Any]:
    """A workflow with tools of every kind, a secret, and notes."""
    desk = {"id": "desk", "base_url": "https://desk.example", "headers": {"Authorization": "{{ secrets.DESK }}"}}
    return flow(
        model,
        agent={"tools": ALL_TOOLS},
        tools={"http_executors": [desk], "mcp": [{"id": "box", "command": "/bin/false"}]},
        env={"secrets": [{"key": "DESK", "source": "env"}]},
        security={"guardrails": {"allow_tools": [*ALL_TOOLS, "box"]}},
        context_policy={"notes": {"file": "notes.md"}},
    )


def git(
    directory: Path, head: str, *, url: str = "https://github.com/octocat/hello", pulls: tuple[str, ...] = ()
) -> None:
    """A checkout as git leaves it, with a branch that is packed."""
    (directory / ".git").mkdir(parents=True)
    (directory / ".git/HEAD").write_text("ref: refs/heads/main\n")
    packed = [f"{HEAD} refs/remotes/pull/{name}" for name in pulls]
    (directory / ".git/packed-refs").write_text(
        "\n".join(["# pack-refs with: peeled", f"{head} refs/heads/main", *packed])
    )
    (directory / ".git/config").write_text(f'[remote "origin"]\n\turl = {url}\n')


def from_fork(workspace: Workspace, github: GitHub) -> None:
    """A stranger's pull request, and its merge with the base in the workspace."""
    workspace.event("pull_request", events.pull_request(FORK, STRANGER), **host(github, MERGE))
    git(workspace.root, MERGE)


def host(github: GitHub, sha: str = BASE) -> dict[str, str]:
    return {"API_URL": github.url, "REPOSITORY": "octocat/hello", "SHA": sha}


def act(workspace: Workspace, **inputs: str) -> Outcome:
    return workspace.action(**{"spec": SPEC, "github_token": TOKEN, **inputs})


def given(request: Request) -> set[str]:
    return {tool["function"]["name"] for tool in request.body.get("tools", [])}


def prompts(model: OpenAIServer) -> list[str]:
    return [request.messages[0]["content"] for request in model.requests]


# -- whose files ------------------------------------------------------------------------------------------------------


def test_what_runs_for_a_fork_is_the_base_revisions_and_not_its_own(workspace: Workspace, model: OpenAIServer):
    base = flow(model, agent={"$ref": "writer.yaml", "prompt": None, "output_schema": "answer.json"})
    files = {
        SPEC: as_text(base | {"skills": [{"id": "tone", "path": "tone.md"}]}),
        "agents/writer.yaml": "prompt: You are of the base.",
        "agents/answer.json": '{"type": "object", "properties": {"of_the_base": {"type": "string"}}}',
        "agents/tone.md": "Be kind, says the base.",
    }
    with GitHub(files) as github:
        from_fork(workspace, github)
        workspace.write(SPEC, flow(model, "You are of the fork."))
        workspace.write("agents/writer.yaml", "prompt: You are of the fork.")
        outcome = act(workspace)

    asked = json.dumps(model.requests[0].body)
    assert "You are of the base." in asked
    assert "of_the_base" in asked
    assert "of the fork" not in asked
    assert outcome.results["trust"] == outcome.outputs["trust"] == "untrusted"


def test_nothing_of_the_base_is_left_behind(
    workspace: Workspace, model: OpenAIServer, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
):
    place = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr("tempfile.tempdir", str(place))
    with GitHub({SPEC: as_text(flow(model))}) as github:
        from_fork(workspace, github)
        assert act(workspace).exit_code == 0
    assert [*place.iterdir()] == []
    assert prompts(model) == ["You are of the base."]


@pytest.mark.parametrize(("branch", "requests"), [(BASE, 0), (HEAD, 1)], ids=["at the base", "elsewhere"])
def test_the_workspaces_files_are_taken_where_it_is_at_the_base(
    workspace: Workspace, model: OpenAIServer, branch: str, requests: int
):
    with GitHub({SPEC: as_text(flow(model, "You were fetched."))}) as github:
        workspace.event("issue_comment", events.comment({**user(STRANGER), "id": 0}), **host(github))
        git(workspace.root, branch)
        workspace.write(SPEC, flow(model, "You were there."))
        outcome = act(workspace)

    assert outcome.exit_code == 0, outcome.log
    assert prompts(model) == [["You were there.", "You were fetched."][requests]]
    assert sum("tarball" in request.path for request in github.requests) == requests


def test_a_second_checkout_that_paths_could_lead_into_is_not_taken_for_the_base(
    workspace: Workspace, model: OpenAIServer
):
    with GitHub({SPEC: as_text(flow(model))}) as github:
        workspace.event("issue_comment", events.comment(user(STRANGER)), **host(github))
        git(workspace.root, BASE)
        git(workspace.root / "pr", HEAD)
        workspace.write(f"pr/{SPEC}", flow(model, "You are of the fork."))
        outcome = act(workspace, spec=f"pr/{SPEC}")

    assert outcome.exit_code == 12
    assert f"there is no file pr/{SPEC}" in outcome.log
    assert f"its files are those of the base revision {BASE[:12]}, by their paths in the repository" in outcome.log
    assert model.requests == []


@pytest.mark.parametrize(
    "path", [f"{{root}}/{SPEC}", f"../../../{{root}}/{SPEC}", "{root}/ag*/flow.yaml", "link/flow.yaml"]
)
@pytest.mark.parametrize("checked_out", [MERGE, BASE], ids=["fetched", "there"])
def test_no_path_leads_out_of_the_base(workspace: Workspace, model: OpenAIServer, path: str, checked_out: str):
    with GitHub({SPEC: as_text(flow(model))}) as github, TemporaryDirectory() as elsewhere:
        workspace.event("pull_request", events.pull_request(FORK, STRANGER), **host(github, MERGE))
        git(workspace.root, checked_out)
        root = workspace.root if checked_out == MERGE else Path(elsewhere)
        (root / "agents").mkdir()
        (root / SPEC).write_text(as_text(flow(model, "You are of the fork.")))
        (workspace.root / "link").symlink_to(root / "agents")
        outcome = act(workspace, spec=path.format(root=root))

    linked_and_fetched = path.startswith("link") and checked_out == MERGE  # links are not fetched
    why = "there is no file link" if linked_and_fetched else "leads out of the repository"
    assert outcome.exit_code == (12 if linked_and_fetched else 2)
    assert why in outcome.log
    assert model.requests == []


@pytest.mark.parametrize("spec", ["repo/" + SPEC, SPEC])
def test_a_checkout_in_a_directory_is_the_base_where_the_file_is_in_it(
    workspace: Workspace, model: OpenAIServer, spec: str
):
    with GitHub({SPEC: as_text(flow(model, "You were fetched."))}) as github:
        workspace.event("issues", events.issue(STRANGER), **host(github))
        git(workspace.root / "repo", BASE)
        workspace.write(spec, flow(model, "You were there."))
        outcome = act(workspace, spec=spec)

    assert outcome.exit_code == 0, outcome.log
    assert prompts(model) == ["You were there." if spec.startswith("repo") else "You were fetched."]


@pytest.mark.parametrize("payload", ["", "{}"], ids=["none", "empty"])
def test_the_merge_is_not_taken_for_the_base_where_the_payload_says_nothing(
    workspace: Workspace, model: OpenAIServer, payload: str
):
    workspace.event("pull_request", payload, SHA=MERGE, REPOSITORY="octocat/hello")
    git(workspace.root, MERGE)
    workspace.write(SPEC, flow(model, "You are of the fork."))
    outcome = act(workspace)
    assert outcome.exit_code == 2
    assert "neither GITHUB_SHA nor the event's payload says which commit that is" in outcome.log
    assert model.requests == []


@pytest.mark.parametrize(
    ("token", "files", "why"),
    [
        ("", {}, "there is no github-token to ask the host with"),
        ("wrong", {}, "the host does not take the github-token: it is not one, or has expired (status 401)"),
        (
            TOKEN,
            None,
            "nothing is there (status 404), or the token may not see it, which takes `permissions: {contents: read}`",
        ),
    ],
)
def test_without_the_base_nothing_runs_and_what_would_help_is_said(
    workspace: Workspace, model: OpenAIServer, token: str, files: Any, why: str
):
    with GitHub(files) as github:
        from_fork(workspace, github)
        workspace.write(SPEC, flow(model))
        outcome = act(workspace, github_token=token)

    assert (outcome.exit_code, outcome.outputs["status"], outcome.outputs["trust"]) == (2, "invalid", "untrusted")
    assert f"cannot be had: {why}. Set 'github-token' to one with `contents: read`" in outcome.log
    assert model.requests == []


def test_a_question_of_one_line_needs_no_file_and_no_base(workspace: Workspace, model: OpenAIServer):
    workspace.event("issues", events.issue(STRANGER))
    outcome = workspace.action(prompt="Hello?", provider="openai", model_id="m", host=model.url)
    assert (outcome.exit_code, outcome.outputs["trust"]) == (0, "untrusted")


# -- what it may use --------------------------------------------------------------------------------------------------


def test_a_strangers_run_has_no_tool_with_effects_no_secret_and_no_notes(workspace: Workspace, model: OpenAIServer):
    with GitHub({SPEC: as_text(armed(model))}) as github:
        from_fork(workspace, github)
        outcome = act(workspace)

    assert outcome.exit_code == 0, outcome.log  # DESK, which is not set, was not asked for
    assert given(model.requests[0]) == LEFT
    assert not (workspace.root / "notes.md").exists()
    why = "untrusted: the pull request is from a fork; a read-only run: none of the workflow file's secrets is read"
    kept = "not given to agents: desk, file_write, http_request, python_exec, web_fetch"
    assert outcome.log.count(why) == outcome.log.count(f"WARNING {kept}") == 1
    [told] = [line for line in outcome.summary.splitlines() if why in line]
    assert told.endswith(f"; {kept}".replace("_", "\\_"))


def test_the_same_run_for_a_writer_has_all_of_it(workspace: Workspace, model: OpenAIServer):
    with GitHub() as github:
        workspace.event("pull_request", events.pull_request(HERE), **host(github, MERGE))
        workspace.environ["DESK"] = "secret-of-the-desk"
        workspace.write(SPEC, armed(model))
        outcome = act(workspace)

    assert outcome.exit_code == 0, outcome.log
    assert given(model.requests[0]) == {*LEFT, "file_write", "web_fetch", "http_request", "python_exec", "desk"}
    assert (workspace.root / "notes.md").exists()
    assert outcome.outputs["trust"] == "trusted"
    assert "rust" not in outcome.log.replace("strands", "") + outcome.summary
    assert github.requests == []


def test_the_hashes_are_those_of_what_is_left(workspace: Workspace, model: OpenAIServer):
    workspace.write(SPEC, armed(model))
    workspace.environ["DESK"] = "secret-of-the-desk"
    forced = [workspace.action(spec=SPEC, trust=trust) for trust in ("trusted", "untrusted")]
    assert len({outcome.outputs["config-hash"] for outcome in forced if outcome.exit_code == 0}) == 1
    git(workspace.root, BASE)
    workspace.environ["GITHUB_SHA"] = BASE
    forced = [workspace.action(spec=SPEC, trust=trust) for trust in ("trusted", "untrusted")]
    assert [outcome.exit_code for outcome in forced] == [0, 0]
    assert len({outcome.outputs["config-hash"] for outcome in forced}) == 2


# -- modes that ask nobody --------------------------------------------------------------------------------------------


def test_a_fork_is_replayed_on_its_own_files_without_key_secret_or_tool(workspace: Workspace, model: OpenAIServer):
    workspace.write(SPEC, armed(model))
    workspace.environ["DESK"] = "secret-of-the-desk"
    assert workspace.action(spec=SPEC, mode="record").exit_code == 0
    workspace.environ.clear()
    asked = len(model.requests)
    with GitHub() as github:
        from_fork(workspace, github)
        outcome = act(workspace, mode="replay")

    assert outcome.exit_code == 0, outcome.log
    assert outcome.outputs["trust"] == "untrusted"
    assert len(model.requests) == asked
    assert github.requests == []
    told = "untrusted: the pull request is from a fork; no model is asked, no tool is used, and no secret is read"
    assert f"WARNING {told}" in outcome.log


def test_a_strangers_file_does_not_say_where_spans_go(workspace: Workspace, model: OpenAIServer):
    spec = flow(model)
    with OpenAIServer() as collector:
        workspace.write(SPEC, spec | {"telemetry": {"otel": {"endpoint": f"http://127.0.0.1:{collector.port}"}}})
        assert workspace.action(spec=SPEC, mode="record").exit_code == 0
        before = len(collector.requests)
        workspace.event("pull_request", events.pull_request(FORK, STRANGER))
        assert workspace.action(spec=SPEC, mode="replay").exit_code == 0
    assert before > 0
    assert len(collector.requests) == before


@pytest.mark.parametrize("mode", ["validate", "plan"])
def test_a_strangers_file_is_looked_at_without_looking_at_secrets(workspace: Workspace, model: OpenAIServer, mode: str):
    workspace.event("pull_request", events.pull_request(FORK, STRANGER))
    workspace.write(SPEC, armed(model))
    outcome = workspace.action(spec=SPEC, mode=mode)
    assert (outcome.exit_code, outcome.outputs["trust"]) == (0, "untrusted")
    assert "DESK" not in outcome.log


def test_nothing_is_recorded_for_a_stranger(workspace: Workspace, model: OpenAIServer):
    workspace.event("issues", events.issue(STRANGER))
    outcome = workspace.run(flow(model), mode="record")
    assert outcome.exit_code == 2
    assert "mode: record is for trusted events only" in outcome.log
    assert not (workspace.root / "fixtures").exists()
    assert model.requests == []


def test_cases_that_ask_a_model_or_use_real_tools_are_left_out_for_a_stranger(
    workspace: Workspace, model: OpenAIServer
):
    cases = [
        {"name": "recorded", "expect": {"contains": "ok"}},
        {"name": "live", "live": True, "expect": {"contains": "ok"}},
        {"name": "tools", "tools": "live", "expect": {"contains": "ok"}},
    ]
    workspace.write("flow.yaml", flow(model))
    workspace.write("flow.test.yaml", {"cases": cases})
    assert workspace.action(spec="flow.test.yaml", mode="record").exit_code == 0
    asked = len(model.requests)
    workspace.event("pull_request", events.pull_request(FORK, STRANGER))
    outcome = workspace.action(spec="flow.test.yaml", mode="test")

    assert outcome.exit_code == 0, outcome.log
    assert (outcome.outputs["tests-passed"], outcome.outputs["trust"]) == ("1", "untrusted")
    assert "2 cases that are live or use real tools were left out" in outcome.log
    assert "untrusted: the pull request is from a fork" in outcome.summary
    assert len(model.requests) == asked


# -- pull_request_target ----------------------------------------------------------------------------------------------


def at_head(root: Path) -> None:
    git(root, HEAD)


def at_merge_below(root: Path) -> None:
    git(root, BASE)
    git(root / "work/pr", MERGE)


def of_the_fork(root: Path) -> None:
    git(root / "pr", "e" * 40, url="git@github.com:Stranger/Hello.git")


def knows_the_pull(root: Path) -> None:
    git(root, "e" * 40, pulls=("7/merge",))


def loose_and_linked(root: Path) -> None:
    git(root / "elsewhere/deep/down/repository", BASE)
    git_dir = root / "elsewhere/deep/down/repository/.git"
    (git_dir / "worktrees/pr").mkdir(parents=True)
    (git_dir / "worktrees/pr/HEAD").write_text("ref: refs/heads/pr\n")
    (git_dir / "refs/heads").mkdir(parents=True)
    (git_dir / "refs/heads/pr").write_text(f"{HEAD}\n")
    (git_dir / "worktrees/pr/commondir").write_text("../..\n")
    (root / "pr").mkdir()
    (root / "pr/.git").write_text(f"gitdir: {git_dir}/worktrees/pr\n")


def beside_the_spec(root: Path) -> None:
    git(root / "a/b/c/agents", HEAD)


def fetched_and_moved_on(root: Path) -> None:
    git(root, "e" * 40)
    (root / ".git/FETCH_HEAD").write_text(f"{'e' * 40}\t\t'refs/pull/7/head' of https://github.com/octocat/hello\n")


def mirrored(root: Path) -> None:
    git(root, "e" * 40)
    (root / ".git/refs/pull/7").mkdir(parents=True)


def in_a_format_that_nobody_can_read(root: Path) -> None:
    git(root, HEAD)
    (root / ".git/HEAD").write_text("ref: refs/heads/.invalid\n")  # as git writes it beside a reftable


@pytest.mark.parametrize(
    "lay_out",
    [
        at_head,
        at_merge_below,
        of_the_fork,
        knows_the_pull,
        loose_and_linked,
        beside_the_spec,
        fetched_and_moved_on,
        mirrored,
        in_a_format_that_nobody_can_read,
    ],
)
@pytest.mark.parametrize(
    "inputs", [{}, {"trust": "trusted"}, {"mode": "validate"}], ids=["live", "trusted", "validate"]
)
def test_the_forks_head_beside_the_secrets_is_refused_whatever_is_asked_for(
    workspace: Workspace, model: OpenAIServer, lay_out: Any, inputs: dict[str, str]
):
    workspace.event("pull_request_target", events.pull_request(FORK, STRANGER), SHA=BASE)
    lay_out(workspace.root)
    spec = workspace.write(f"a/b/c/{SPEC}", flow(model))
    outcome = workspace.action(spec=spec, **inputs)

    assert (outcome.exit_code, outcome.outputs["status"]) == (2, "invalid")
    assert "'pull_request_target' with a checkout of the fork's head" in outcome.log
    assert "preventing-pwn-requests" in outcome.log
    assert model.requests == []


@pytest.mark.parametrize("head", [FORK, HERE])
def test_the_base_alone_is_not_refused(workspace: Workspace, model: OpenAIServer, head: int):
    workspace.event("pull_request_target", events.pull_request(head), SHA=BASE)
    git(workspace.root, BASE)
    outcome = workspace.run(flow(model))
    assert outcome.exit_code == 0, outcome.log
    assert outcome.outputs["trust"] == ("untrusted" if head == FORK else "trusted")


def test_a_checkout_that_nobody_can_tell_from_the_forks_is_refused(workspace: Workspace, model: OpenAIServer):
    workspace.event("pull_request_target", "", SHA=BASE)
    git(workspace.root, HEAD)
    assert workspace.run(flow(model), mode="validate").exit_code == 2
    git(workspace.root / "new", BASE)
    (workspace.root / ".git/packed-refs").write_text(f"{BASE} refs/heads/main\n")
    assert workspace.run(flow(model), mode="validate").exit_code == 0


def test_what_has_been_merged_is_the_base_also_where_pulls_were_fetched_before(
    workspace: Workspace, model: OpenAIServer
):
    """After a merge the host runs for it; and a machine of one's own keeps what earlier jobs have fetched."""
    workspace.event("pull_request_target", events.pull_request(FORK), SHA=MERGE)
    git(workspace.root, MERGE, pulls=("6/merge",))
    outcome = workspace.run(flow(model))
    assert outcome.exit_code == 0, outcome.log
    assert outcome.outputs["trust"] == "untrusted"


def test_a_head_of_this_repository_is_nobody_elses(workspace: Workspace, model: OpenAIServer):
    workspace.event("pull_request_target", events.pull_request(HERE), SHA=BASE)
    git(workspace.root, HEAD, pulls=("7/merge",))
    assert workspace.run(flow(model)).outputs["trust"] == "trusted"


# -- comments on a fork's pull request --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "checked_out", "trust"),
    [
        (FORK, BASE, "trusted"),
        (FORK, HEAD, "untrusted"),
        (None, HEAD, "untrusted"),
        (HERE, HEAD, "trusted"),
    ],
    ids=["the fork is not there", "the fork", "a deleted fork", "a branch"],
)
def test_a_writers_comment_directs_a_run_but_does_not_vouch_for_a_forks_files(
    workspace: Workspace, model: OpenAIServer, head: int | None, checked_out: str, trust: str
):
    with GitHub({SPEC: as_text(armed(model))}, head=head) as github:
        workspace.event("issue_comment", events.comment(user(OWNER), on_pull=True), **host(github))
        workspace.environ["DESK"] = "secret-of-the-desk"
        git(workspace.root, checked_out)
        workspace.write(SPEC, armed(model))
        outcome = act(workspace)

    assert outcome.exit_code == 0, outcome.log
    assert outcome.outputs["trust"] == trust
    assert ("python_exec" in given(model.requests[0])) == (trust == "trusted")


@pytest.mark.parametrize("head", [FORK, HERE], ids=["a fork", "a branch"])
def test_files_without_a_checkout_may_be_the_forks_on_which_a_writer_comments(
    workspace: Workspace, model: OpenAIServer, head: int
):
    """Where a job has no git, its checkout is an archive that was unpacked."""
    with GitHub({SPEC: as_text(flow(model))}, head=head) as github:
        workspace.event("issue_comment", events.comment(user(OWNER), on_pull=True), **host(github))
        workspace.write(SPEC, flow(model, "You were there."))
        outcome = act(workspace)

    assert outcome.outputs["trust"] == ("untrusted" if head == FORK else "trusted")
    assert prompts(model) == ["You are of the base." if head == FORK else "You were there."]


def test_a_question_for_a_writer_on_a_forks_pull_request_needs_no_checkout(workspace: Workspace, model: OpenAIServer):
    with GitHub(head=FORK) as github:
        workspace.event("issue_comment", events.comment(user(OWNER), on_pull=True), **host(github))
        outcome = workspace.action(prompt="Hello?", provider="openai", model_id="m", host=model.url, github_token=TOKEN)
    assert (outcome.exit_code, outcome.outputs["trust"]) == (0, "trusted")


# -- what the inputs and the host say ---------------------------------------------------------------------------------


def test_the_inputs_have_the_last_word(workspace: Workspace, model: OpenAIServer):
    workspace.event("issues", events.issue(STRANGER))
    outcome = workspace.run(flow(model), trust="trusted")
    assert (outcome.exit_code, outcome.outputs["trust"]) == (0, "trusted")
    workspace.event("push", events.push())
    assert workspace.run(flow(model), trust="untrusted", mode="plan").outputs["trust"] == "untrusted"


def test_elsewhere_than_on_a_host_a_run_is_trusted_unless_somebody_says_otherwise(
    workspace: Workspace, model: OpenAIServer
):
    workspace.environ["DESK"] = "secret-of-the-desk"
    workspace.write(SPEC, armed(model))
    assert workspace.command("run", SPEC).exit_code == 0
    outcome = workspace.command("run", SPEC, "--trust", "untrusted")
    assert outcome.exit_code == 0
    assert "base revision" not in outcome.log  # there is none: the file is its user's
    assert [given(request) == LEFT for request in model.requests] == [False, True]


def test_a_run_that_is_killed_has_said_for_whom_it_was(workspace: Workspace):
    def said(_request: Request) -> str:
        return read_outputs((workspace.root / ".github-output").read_text())["trust"]

    workspace.event("issues", events.issue(STRANGER))
    with OpenAIServer(reply=said) as model:
        outcome = workspace.action(prompt="Hello?", provider="openai", model_id="m", host=model.url)
    assert outcome.outputs["response"] == "untrusted"


def test_a_bot_is_let_in_by_its_number(workspace: Workspace, model: OpenAIServer):
    workspace.event("issue_comment", events.comment(user(events.BOT)))
    outcome = workspace.run(flow(model), trusted_bots=f"7, {events.BOT}")
    assert (outcome.exit_code, outcome.outputs["trust"]) == (0, "trusted")


@pytest.mark.parametrize("payload", ["", "[" * 100_000, "{}"])
def test_a_hostile_payload_ends_in_no_crash_and_no_trust(workspace: Workspace, model: OpenAIServer, payload: str):
    workspace.event("issue_comment", payload)
    outcome = workspace.run(flow(model), mode="plan")
    assert (outcome.exit_code, outcome.outputs["trust"]) == (0, "untrusted")


def test_the_token_is_in_nothing_that_a_run_leaves(workspace: Workspace):
    with OpenAIServer(reply=lambda request: f"{TOKEN} {json.dumps(request.body)}") as model, GitHub() as github:
        workspace.event("issue_comment", events.comment(user(OWNER)), **host(github))
        outcome = workspace.run(flow(model), github_token=TOKEN)
    left = [path.read_text() for path in (workspace.root / "strands-artifacts").rglob("*") if path.is_file()]
    assert outcome.exit_code == 0
    assert outcome.outputs["trust"] == "trusted"
    assert TOKEN not in "".join([*left, outcome.log, outcome.summary, str(outcome.outputs)])
    assert TOKEN not in json.dumps(model.requests[0].body)
