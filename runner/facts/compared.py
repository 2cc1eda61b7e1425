"""The facts of a branch that could be a pull request, as the host compares it: a job may have no git, and its checkout
no history.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from runner.ci.refusal import NoAnswer
from runner.errors import UsageError
from runner.facts.branch import MOST_COMMITS, OF_COMMITS, as_pull, revision
from runner.facts.from_host import MOST_COMPARED, OF_THE_DIFF, commit_of, content, file_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from runner.ci.api import Api
    from runner.ci.event import Event, Told

A_PAGE = 100


def pull_of_compare(
    api: Api, event: Event, environ: Mapping[str, str], base: str, parts: Collection[str]
) -> dict[str, Any]:
    """What the job's commit has that `base` has not, as if it were a pull request. `parts` are those asked for. Raises
    NoAnswer, and UsageError for a base that is none."""
    if not event.sha:
        raise NoAnswer("GITHUB_SHA does not say which commit the job is for")
    path = f"compare/{quote(revision(base), safe='')}...{event.sha}"
    told = _compared(api, path, event.sha, base)
    tip = told.commit("base_commit", "sha")
    commits = _commits(api, path, told) if OF_COMMITS.intersection(parts) else []
    branch = environ.get("GITHUB_HEAD_REF") or environ.get("GITHUB_REF_NAME", "")
    found = as_pull({"ref": base, "sha": tip}, branch, event.sha, commits)
    if OF_THE_DIFF.intersection(parts):
        files = [file_of(one) for one in told.each("files")]
        attributes = content(api, ".gitattributes", tip) if files else ""
        found |= {"files": files, "whole": len(files) < MOST_COMPARED, "gitattributes": attributes}
    return found


def _compared(api: Api, path: str, head: str, base: str) -> Told:
    """The first page, which has all files that the host tells."""
    try:
        return api.get(path, per_page=A_PAGE)
    except NoAnswer as problem:
        if problem.status != 404:
            raise
        raise UsageError(
            f"the host does not compare the job's commit {head[:12]} with '{base}': {problem}. In a job "
            "'diff-base' names a branch, a tag or a commit of this repository that has commits in common with it"
        ) from None


def _commits(api: Api, path: str, told: Told) -> list[dict[str, str]]:
    """The newest. The host tells them from the oldest on."""
    total, first = told.at("total_commits"), [*map(commit_of, told.each("commits"))]
    if type(total) is not int or total <= len(first):
        return first
    page = max(0, total - MOST_COMMITS) // A_PAGE + 1
    return [commit_of(one) for one in api.pages(path, within="commits", page=page)][-MOST_COMMITS:]
