"""A branch as if it were a pull request, out of the comparison of a host that checks every question."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from runner.ci.api import api_of
from runner.ci.event import Event
from runner.ci.refusal import NoAnswer
from runner.errors import UsageError
from runner.facts.compared import pull_of_compare
from runner.facts.facts import facts_of
from runner.facts.file import FactsFile
from runner.facts.from_git import pull_of_git
from runner.facts.git import git_in
from runner.plan.facts import PARTS
from tests.facts.repository import Repository
from tests.servers.github import TOKEN, GitHub

if TYPE_CHECKING:
    from pathlib import Path

HERE = "GET /repos/octocat/hello"


def pushed(github: GitHub, *messages: str, file: str = "") -> str:
    """A branch with these commits, the last one of which is the job's; each changes the file, or one of its name."""
    repository = github.repository
    head = repository.branches["main"]
    for message in messages:
        head = repository.commit({**repository.tree(head), file or message: message}, (head,), message)
    repository.branches["change"] = head
    return head


def told(github: GitHub, head: str, base: str, *parts: str) -> dict[str, Any]:
    event = Event({}, name="push", repository="octocat/hello", sha=head)
    api = api_of(github.environ, "octocat/hello", TOKEN)
    found = pull_of_compare(api, event, {"GITHUB_REF_NAME": "change"}, base, parts or PARTS["pr"])
    FactsFile.model_validate({"pr": found})
    return found


def test_a_host_tells_the_same_as_git(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    repository.commit("Second line\n\nIt was wrong.", **{"a.txt": "one\n2\n"})
    of_git = pull_of_git(git_in(tmp_path, os.environ), "main", PARTS["pr"])
    with GitHub(files={"a.txt": "one\ntwo\n"}) as github:
        main = github.repository.branches["main"]
        head = github.repository.commit({"a.txt": "one\n2\n"}, (main,), "Second line\n\nIt was wrong.", "Mona")
        of_host = told(github, head, "main")
        assert of_host["base"] == {"ref": "main", "sha": main}
        assert of_host["head"] == {"ref": "change", "sha": head, "fork": False}
    asked = ("number", "title", "body", "author", "labels", "comments", "since")
    assert [of_host[name] for name in asked] == [of_git[name] for name in asked]
    changes = [facts_of({"pr": one}).pull.change for one in (of_git, of_host)]  # type: ignore[union-attr]
    assert changes[0] == changes[1]


def test_the_change_is_since_the_branch_left_its_base() -> None:
    with GitHub() as github:
        head = pushed(github, "mine")
        repository = github.repository
        main = repository.branches["main"]
        repository.branches["main"] = repository.commit({**repository.tree(main), "theirs": "1\n"}, (main,), "theirs")
        assert [one["filename"] for one in told(github, head, "main", "diff")["files"]] == ["mine"]


def test_only_what_is_asked_for_is_fetched() -> None:
    with GitHub() as github:
        head = pushed(github, "one", "two")
        assert "files" not in told(github, head, "main", "commits")
        assert github.asked == [f"{HERE}/compare/main...{head}"]
        assert told(github, head, "main", "diff")["commits"] == []
        assert github.asked[1:] == [f"{HERE}/compare/main...{head}", f"{HERE}/contents/.gitattributes"]


def test_of_many_commits_the_newest_are_told_in_their_order() -> None:
    with GitHub() as github:
        head = pushed(github, *(f"{number}" for number in range(360)), file="mine")
        found = told(github, head, "main", "commits")
        assert [one["message"] for one in found["commits"]] == [f"{number}" for number in range(110, 360)]
        assert len(github.asked) == 1 + 3  # not the first of four pages again


def test_where_the_host_does_not_tell_all_files_that_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    with GitHub() as github:
        head = pushed(github, "one", "two", "three")
        assert told(github, head, "main", "diff")["whole"]
        monkeypatch.setattr("runner.facts.compared.MOST_COMPARED", 3)
        assert not told(github, head, "main", "diff")["whole"]


def test_attributes_are_those_of_the_base() -> None:
    with GitHub(files={".gitattributes": "*.gen linguist-generated\n"}) as github:
        repository = github.repository
        main = repository.branches["main"]
        head = repository.commit({".gitattributes": "*.py linguist-generated\n"}, (main,), "Others")
        assert told(github, head, "main", "diff")["gitattributes"] == "*.gen linguist-generated\n"


def test_a_name_with_a_slash_is_one_name() -> None:
    with GitHub() as github:
        head = pushed(github, "mine")
        github.repository.branches["release/1.0"] = github.repository.branches["main"]
        assert told(github, head, "release/1.0", "base")["base"]["ref"] == "release/1.0"


@pytest.mark.parametrize("base", ["nope", "origin/main", "main...change", "../../../other/repo/compare/main"])
def test_a_base_that_the_host_has_not_is_told(base: str) -> None:
    with GitHub() as github:
        head = pushed(github, "mine")
        with pytest.raises(
            UsageError, match=r"the host does not compare the job's commit .* 'diff-base' names a branch"
        ):
            told(github, head, base)
        assert all(one.startswith(f"{HERE}/compare/") for one in github.asked)


@pytest.mark.parametrize("base", ["--output=/tmp/x", "a b", ""])
def test_a_base_that_is_no_name_is_not_asked_for(base: str) -> None:
    with GitHub() as github:
        with pytest.raises(UsageError, match="is not the name of a git revision"):
            told(github, pushed(github, "mine"), base)
        assert github.asked == []


def test_a_job_without_a_commit_is_told() -> None:
    with GitHub() as github, pytest.raises(NoAnswer, match="GITHUB_SHA does not say which commit"):
        told(github, "", "main")
