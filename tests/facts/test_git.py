"""A branch as if it were a pull request, out of a real repository; and one that is hostile."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from runner.errors import UsageError
from runner.facts.facts import facts_of
from runner.facts.from_git import github_of_git, pull_of_git
from runner.facts.git import Git, GitProblem, git_in
from runner.plan.facts import PARTS
from tests.facts.repository import Repository
from tests.programs import needed

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "work")


def here(repository: Repository) -> Git:
    return git_in(repository.root, os.environ)


def pull(repository: Repository, base: str | None = "main", *parts: str) -> dict[str, Any]:
    return pull_of_git(here(repository), base, parts or PARTS["pr"])


def refusal(repository: Repository, base: str | None) -> str:
    with pytest.raises(UsageError) as error:
        pull(repository, base)
    return error.value.message


def changed(told: dict[str, Any]) -> dict[str, str]:
    """What became of each file."""
    found = facts_of({"pr": told}).pull
    assert found is not None
    assert found.change is not None
    return {file.path: file.status for file in found.change.files}


# -- what it tells ----------------------------------------------------------------------------------------------------


def test_a_branch_of_one_commit_has_its_words(repository: Repository) -> None:
    main = repository.git("rev-parse", "main")
    head = repository.commit("Second line\n\nIt was wrong.", **{"a.txt": "one\n2\n"})
    told = pull(repository)
    assert (told["title"], told["body"], told["author"]) == ("Second line", "It was wrong.", "Mona")
    assert told["base"] == {"ref": "main", "sha": main}
    assert told["head"] == {"ref": "change", "sha": head, "fork": False}
    assert told["commits"] == [{"sha": head, "message": "Second line\n\nIt was wrong.", "author": "Mona"}]
    assert (told["number"], told["labels"], told["comments"], told["since"]) == (None, [], [], "")


def test_a_branch_of_several_commits_has_its_name_and_their_order(repository: Repository) -> None:
    repository.commit("One more", b="1")
    repository.commit("And one", c="1")
    told = pull(repository)
    assert (told["title"], told["body"]) == ("change", "")
    assert [one["message"] for one in told["commits"]] == ["One more", "And one"]


def test_the_change_is_since_the_branch_left_its_base(repository: Repository) -> None:
    repository.commit("Mine", mine="1")
    repository.git("switch", "-q", "main")
    repository.commit("Theirs", theirs="1")
    repository.git("switch", "-q", "change")
    assert changed(pull(repository)) == {"mine": "added"}


def test_what_is_not_committed_is_not_in_it(repository: Repository) -> None:
    repository.commit("Mine", mine="1")
    (repository.root / "mine").write_text("2")
    assert "+1" in pull(repository)["diff"]


def test_a_name_that_is_not_plain_is_told(repository: Repository) -> None:
    repository.commit("Names", **{'tü"\t.txt': "1", "dir/and space": "2"})
    assert changed(pull(repository)) == {'tü"\t.txt': "added", "dir/and space": "added"}


def test_no_diff_is_made_that_nobody_asks_for(repository: Repository) -> None:
    assert "diff" not in pull(repository, "main", "title")


@pytest.mark.parametrize("name", ["upstream", "origin"])
def test_without_a_base_it_is_the_default_branch_of_the_upstream(repository: Repository, name: str) -> None:
    repository.git("update-ref", f"refs/remotes/{name}/trunk", "main")
    repository.git("symbolic-ref", f"refs/remotes/{name}/HEAD", f"refs/remotes/{name}/trunk")
    assert pull(repository, None)["base"]["ref"] == f"{name}/trunk"


def test_without_an_upstream_it_is_the_branch_of_the_usual_name(repository: Repository) -> None:
    assert pull(repository, None)["base"]["ref"] == "main"


def test_a_directory_below_the_repository_is_in_it(repository: Repository) -> None:
    repository.commit("Mine", **{"below/mine": "1", "other": "1"})
    told = pull_of_git(git_in(repository.root / "below", os.environ), "main", PARTS["pr"])
    assert changed(told) == {"below/mine": "added", "other": "added"}


def test_a_worktree_is_a_repository_too(repository: Repository, tmp_path: Path) -> None:
    repository.commit("Mine", mine="1")
    repository.git("worktree", "add", "-q", str(tmp_path / "other"), "HEAD")
    told = pull_of_git(git_in(tmp_path / "other", os.environ), "main", PARTS["pr"])
    assert changed(told) == {"mine": "added"}


# -- what it refuses --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "told"),
    [
        ("nope", "there is no git revision 'nope' here"),
        ("--output=/tmp/x", "is not the name of a git revision"),
        ("^main", "'^main' is not the name of a git revision"),
        ("a b", "is not the name of a git revision"),
    ],
)
def test_a_base_that_is_none_is_told(repository: Repository, base: str, told: str) -> None:
    assert told in refusal(repository, base)


def test_a_base_without_a_commit_in_common_is_told(repository: Repository) -> None:
    repository.git("switch", "-q", "--orphan", "island")
    repository.commit("Alone", x="1")
    assert "have no commit in common that is here; fetch the whole history" in refusal(repository, "main")


def test_without_anything_to_go_by_the_base_is_asked_for(repository: Repository) -> None:
    repository.git("branch", "-m", "main", "work")
    assert refusal(repository, None).startswith("nobody can tell what the branch starts from")


def test_a_directory_that_is_no_repository_is_told(tmp_path: Path) -> None:
    needed("git")
    with pytest.raises(UsageError, match="not a git repository"):
        git_in(tmp_path, os.environ)


def test_a_repository_without_a_commit_is_told(tmp_path: Path) -> None:
    needed("git")
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    with pytest.raises(UsageError, match="there is no commit that is checked out"):
        pull_of_git(git_in(tmp_path, os.environ), "main", PARTS["pr"])


def test_what_a_partial_clone_has_not_is_not_fetched_and_that_is_told(repository: Repository, tmp_path: Path) -> None:
    repository.commit("Mine", mine="1")
    repository.git("config", "uploadpack.allowFilter", "true")
    repository.git("clone", "-q", "-n", "--filter=blob:none", f"file://{repository.root}", str(tmp_path / "partial"))
    with pytest.raises(UsageError, match=r"could not fetch \w+ from promisor remote \(nothing is fetched here: this"):
        pull_of_git(git_in(tmp_path / "partial", os.environ), "origin/main", PARTS["pr"])


def test_without_git_it_is_said_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no `git` here"):
        git_in(tmp_path, {"PATH": str(tmp_path)})


def test_git_is_not_looked_for_in_the_repository(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    program = repository.root / "git"
    program.write_text("#!/bin/sh\ntouch planted\n")
    program.chmod(0o755)
    monkeypatch.chdir(repository.root)
    assert git_in(repository.root, {"PATH": f".:{os.environ['PATH']}"}).program != str(program)


def test_more_than_git_knows_of_an_event_is_not_made_up(repository: Repository) -> None:
    head = repository.git("rev-parse", "HEAD")
    assert github_of_git(here(repository), ["sha", "ref"]) == {"sha": head, "ref": "refs/heads/change"}
    with pytest.raises(UsageError, match=r"github\.event: what a CI host tells"):
        github_of_git(here(repository), ["sha", "event"])


# -- a hostile repository ---------------------------------------------------------------------------------------------

COMMANDS = {
    "core.fsmonitor": "{}",
    "core.pager": "{}",
    "pager.diff": "{}",
    "pager.log": "{}",
    "core.hooksPath": "hooks",
    "core.sshCommand": "{}",
    "core.gitProxy": "{}",
    "core.askPass": "{}",
    "core.editor": "{}",
    "credential.helper": "!{}",
    "diff.external": "{}",
    "diff.evil.command": "{}",
    "diff.evil.textconv": "{}",
    "filter.evil.clean": "{}",
    "filter.evil.smudge": "{}",
    "filter.evil.process": "{}",
    "gpg.program": "{}",
    "log.showSignature": "true",
    "uploadpack.packObjectsHook": "{}",
    "alias.diff": "!{}",
    "alias.log": "!{}",
    "remote.origin.url": "ext::{}",
    "remote.origin.promisor": "true",
    "remote.origin.uploadpack": "{}",
    "extensions.partialClone": "origin",
    "protocol.ext.allow": "always",
    "diff.submodule": "log",
    "diff.noprefix": "true",
    "diff.mnemonicPrefix": "true",
    "diff.wordRegex": ".",
    "color.ui": "always",
    "diff.colorMoved": "zebra",
    "diff.orderFile": "order",
    "diff.context": "0",
    "diff.renames": "false",
    "diff.suppressBlankEmpty": "true",
    "log.decorate": "full",
    "format.pretty": "evil",
    "core.attributesFile": "attributes",
}


def test_nothing_that_a_hostile_repository_names_is_run(repository: Repository, tmp_path: Path) -> None:
    signs, program = tmp_path / "ran", tmp_path / "program"
    program.write_text(f"#!/bin/sh\necho ran >> {signs}\n")
    program.chmod(0o755)
    attributes = "* diff=evil filter=evil\n"
    repository.commit("Evil", **{".gitattributes": attributes, "new.txt": "1\n"})
    hooks = repository.root / "hooks"
    hooks.mkdir()
    for name in ("post-index-change", "post-checkout", "reference-transaction", "fsmonitor-watchman", "pre-commit"):
        (hooks / name).symlink_to(program)
    (repository.root / "attributes").write_text(attributes)
    (repository.root / "order").write_text("new.txt\n")
    (repository.root / ".git/info/attributes").write_text(attributes)
    for name, value in COMMANDS.items():
        repository.git("config", name, value.format(program))
    signs.unlink(missing_ok=True)

    told = pull(repository)
    git = here(repository)
    with pytest.raises(GitProblem):  # an object that is promised and not there would be fetched
        git("cat-file", "-p", "1" * 40)
    assert changed(told) == {".gitattributes": "added", "new.txt": "added"}
    assert told["diff"].startswith("diff --git a/.gitattributes b/.gitattributes\n")
    assert [one["message"] for one in told["commits"]] == ["Evil"]
    assert not signs.exists()
    subprocess.run(["git", "diff", "main", "HEAD"], cwd=repository.root, capture_output=True)  # as others would ask
    assert signs.exists()


@pytest.mark.parametrize("attributes", ["*.py -diff\n", "*.py binary\n", "*.py -text diff=nothing\n"])
def test_attributes_of_the_head_hide_nothing(repository: Repository, attributes: str) -> None:
    repository.commit("Hidden", **{".gitattributes": attributes, "a.py": "evil()\n"})
    assert "\n+evil()\n" in pull(repository)["diff"]


def test_attributes_of_the_head_hide_nothing_that_is_named_as_where_it_is_checked_out(repository: Repository) -> None:
    inside = f"{repository.root}/a.py".removeprefix("/")
    repository.commit("Hidden", **{".gitattributes": "*.py -diff\n", inside: "evil()\n"})
    assert "\n+evil()\n" in pull(repository)["diff"]


def test_a_repository_that_is_among_the_files_of_another_is_none(repository: Repository, tmp_path: Path) -> None:
    repository.git("clone", "-q", "--bare", ".", str(tmp_path / "files"))
    with pytest.raises(UsageError, match="cannot use bare repository"):
        git_in(tmp_path / "files", os.environ)


def test_attributes_are_those_of_the_base(repository: Repository) -> None:
    repository.git("switch", "-q", "main")
    repository.commit("Attributes", **{".gitattributes": "*.gen linguist-generated\n"})
    repository.git("switch", "-q", "-C", "change")
    repository.commit("Others", **{".gitattributes": "*.py linguist-generated\n"})
    assert pull(repository)["gitattributes"] == "*.gen linguist-generated"


def test_an_answer_has_a_bound(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runner.facts.git.MAX_ANSWER", 1024 * 1024)
    repository.commit("Large", large="x" * 2_000_000)
    assert refusal(repository, "main") == "`pr` cannot be had from git: it is more than 1 MiB"


def test_git_that_does_not_end_is_ended(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.facts.git.SECONDS", 0.2)
    program = tmp_path / "git"
    program.write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    program.chmod(0o755)
    with pytest.raises(UsageError, match=r"it takes longer than 0\.2 s"):
        git_in(repository.root, {"PATH": str(tmp_path)})
