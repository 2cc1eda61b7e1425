"""The facts of a branch that could be a pull request, out of git alone: what is committed on it and not in its base."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runner.diff.read import GIT_DIFF
from runner.errors import UsageError
from runner.facts.branch import MOST_COMMITS, OF_COMMITS, as_pull, revision
from runner.facts.from_host import OF_THE_DIFF
from runner.facts.git import GitProblem

if TYPE_CHECKING:
    from collections.abc import Collection

    from runner.facts.git import Git

REMOTES: Final = ("upstream", "origin")
BRANCHES: Final = ("main", "master")

OF_GITHUB: Final = ("sha", "ref")
"""What git can say of that which a host calls `github`."""


def github_of_git(git: Git, parts: Collection[str]) -> dict[str, Any]:
    """The commit that is checked out, and its branch. Raises UsageError where more is asked for."""
    more = sorted({*parts} - {*OF_GITHUB})
    if more:
        told = ", ".join(f"github.{part}" for part in more)
        raise UsageError(
            f"{told}: what a CI host tells, and there is none here. Give it with the input 'facts', or `github` as a "
            "variable"
        )
    try:
        return {"sha": _head(git), "ref": git.maybe("symbolic-ref", "-q", "HEAD")}
    except GitProblem as problem:
        raise UsageError(f"`github` cannot be had from git: {problem}") from None


def pull_of_git(git: Git, base: str | None, parts: Collection[str]) -> dict[str, Any]:
    """A branch as if it were a pull request to `base`, or else to the default branch of its upstream. `parts` are those
    asked for. Raises UsageError."""
    try:
        return _pull(git, base, parts)
    except GitProblem as problem:
        raise UsageError(f"`pr` cannot be had from git: {problem}") from None


def _pull(git: Git, base: str | None, parts: Collection[str]) -> dict[str, Any]:
    head = _head(git)
    name = base or _default(git)
    tip = _commit(git, name)
    start = git.maybe("merge-base", tip, head)
    if not start:
        raise UsageError(
            f"HEAD and '{name}' have no commit in common that is here; fetch the whole history (actions/checkout has "
            "`fetch-depth: 0` for that)"
        )
    branch = git.maybe("symbolic-ref", "-q", "--short", "HEAD")
    commits = _commits(git, start, head) if OF_COMMITS.intersection(parts) else []
    found = as_pull({"ref": name, "sha": tip}, branch, head, commits)
    if OF_THE_DIFF.intersection(parts):
        found["diff"] = git(*GIT_DIFF, start, head, "--")
        found["gitattributes"] = git.maybe("cat-file", "blob", f"{tip}:.gitattributes")
    return found


def _head(git: Git) -> str:
    head = git.maybe("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    if not head:
        raise GitProblem("there is no commit that is checked out")
    return head


def _commit(git: Git, name: str) -> str:
    found = git.maybe("rev-parse", "--verify", "--quiet", f"{revision(name)}^{{commit}}")
    if not found:
        raise UsageError(
            f"there is no git revision '{name}' here; fetch it, or name another with the input 'diff-base'"
        )
    return found


def _default(git: Git) -> str:
    """The branch that work starts from, by its name here."""
    for remote in REMOTES:
        if told := git.maybe("symbolic-ref", "-q", "--short", f"refs/remotes/{remote}/HEAD"):
            return told
    names = [f"{remote}/{branch}" for remote in REMOTES for branch in BRANCHES] + [*BRANCHES]
    for name in names:
        if git.maybe("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}"):
            return name
    raise UsageError("nobody can tell what the branch starts from; name it with the input 'diff-base', such as main")


def _commits(git: Git, start: str, head: str) -> list[dict[str, str]]:
    """Those behind `start`, the oldest first."""
    flags = ("--no-color", "--no-decorate", "--no-notes", "--no-show-signature", "--encoding=UTF-8", "--no-patch")
    told = git(*("log", "-z", *flags, f"--max-count={MOST_COMMITS}", "--format=%H%n%an%n%B"), f"{start}..{head}", "--")
    return [*reversed([_of_log(one) for one in told.split("\0") if one])]


def _of_log(told: str) -> dict[str, str]:
    sha, author, message = [*told.split("\n", 2), "", ""][:3]
    return {"sha": sha, "message": message.strip(), "author": author}
