"""The pull request of the example pr-review at a stand-in for the host: a small project, and a change of it in which
five mistakes were planted."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import yaml

from tests.servers.github import TOKEN, GitHub, Pull
from tests.workspace import Outcome, Workspace

EXAMPLE: Final = Path(__file__).parents[2] / "examples/pr-review"
SPEC: Final = "examples/pr-review/workflow.yaml"
SMALL: Final = "examples/pr-review/small.yaml"
"""What is run on a model without a key, for forks."""
FACTS: Final[dict[str, Any]] = yaml.safe_load((EXAMPLE / "fixtures/pr-review/facts.yaml").read_text())["pr"]
REVIEWS: Final = {"contents": "read", "pull_requests": "write"}
"""What the jobs of the example ask for."""


@contextmanager
def seeded(*, fork: bool = False, also: Mapping[str, str] | None = None) -> Iterator[tuple[GitHub, Pull]]:
    """A host with the example's pull request, which may come from a fork; `also` are files of its base."""
    files = {str(path.relative_to(EXAMPLE / "seeded")): path for path in (EXAMPLE / "seeded").rglob("*.*")}
    tree = {name: (EXAMPLE.parents[1] / name).read_text() for name in (SPEC, SMALL)} | {**(also or {})}
    tree |= {name: path.read_text() for name, path in files.items()}
    with GitHub(REVIEWS, repository="octo/stockroom", files=tree) as github:
        home = github.also("stranger/stockroom", fork=True) if fork else None
        author = "stranger" if fork else "mona"
        yield github, github.pull(diff=FACTS["diff"], title=FACTS["title"], author=author, fork=home)


def checked_out(workspace: Workspace) -> None:
    """The example, where the jobs of the example look for it."""
    shutil.copytree(EXAMPLE, workspace.root / "examples/pr-review", dirs_exist_ok=True)


def act(
    workspace: Workspace, github: GitHub, event: str, payload: Any, *, token: str = TOKEN, **inputs: str
) -> Outcome:
    """The action in a job of the workflow `review` at this host."""
    told = {name.removeprefix("GITHUB_"): value for name, value in github.environ.items()}
    told |= {"SHA": github.repository.branches["main"], "WORKFLOW": "review", "JOB": "review", "RUN_ID": "7"}
    workspace.event(event, payload, **told)
    return workspace.action(github_token=token, **inputs)
