"""Which commits the workspace's files are of, read from what git left there: no program of a repository is run."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MAX_BYTES: Final = 8 * 1024 * 1024
MOST: Final = 10_000
"""Directories that are looked at."""

_SHA: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True)
class Checkout:
    """One checkout. `head` is its commit, empty where it cannot be told; `remotes` are the addresses it was fetched
    from."""

    directory: Path
    head: str
    knows_pulls: bool = False
    """Whether pull requests were fetched into it."""
    remotes: tuple[str, ...] = ()


def checkouts(workspace: Path, spec: str | None) -> tuple[Checkout, ...]:
    """Those where a job keeps them: the workspace, two levels of directories below it, and on the way to the spec."""
    places = dict.fromkeys([workspace, *_on_the_way(workspace, spec), *_below(workspace, 2)])
    return tuple(found for place in places if (found := _checkout(place)) is not None)


def _on_the_way(workspace: Path, spec: str | None) -> Iterator[Path]:
    for parent in (workspace / (spec or "")).parents:
        if parent != workspace and parent.is_relative_to(workspace):
            yield parent


def _below(directory: Path, levels: int) -> Iterator[Path]:
    level, left = [directory], MOST
    for _ in range(levels):
        level = [one for place in level for one in _directories(place)][:left]
        left -= len(level)
        yield from level


def _directories(directory: Path) -> list[Path]:
    try:
        with os.scandir(directory) as entries:
            return [Path(one.path) for one in entries if one.name != ".git" and one.is_dir(follow_symlinks=False)]
    except OSError:
        return []


def _checkout(directory: Path) -> Checkout | None:
    git = directory / ".git"
    if not git.exists():
        return None
    if git.is_file():  # of a submodule or a second working tree: it says where the rest is
        git = directory / _text(git).removeprefix("gitdir:").strip()
    shared = git / (_text(git / "commondir").strip() or ".")
    packed = dict(_packed(_text(shared / "packed-refs")))
    knows = "'refs/pull/" in _text(git / "FETCH_HEAD") or any(_of_pulls(shared, packed))
    return Checkout(directory, _head(git, shared, packed), knows, tuple(_remotes(_text(shared / "config"))))


def _of_pulls(shared: Path, packed: Iterable[str]) -> Iterator[bool]:
    """Whether each place where names of pull requests are kept has any."""
    for place in ("refs/pull", "refs/remotes/pull"):
        yield os.path.isdir(shared / place) or any(name.startswith(f"{place}/") for name in packed)


def _head(git: Path, shared: Path, packed: dict[str, str]) -> str:
    said = _text(git / "HEAD").strip()
    if said.startswith("ref:"):
        name = said.removeprefix("ref:").strip()
        said = (_text(shared / name).strip() or packed.get(name, "")) if ".." not in name else ""
    return said if _SHA.fullmatch(said) else ""


def _packed(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        commit, _, name = line.partition(" ")
        if _SHA.fullmatch(commit):
            yield name, commit


def _remotes(config: str) -> Iterator[str]:
    for line in config.splitlines():
        key, _, value = line.partition("=")
        if key.strip() == "url":
            yield value.strip()


def _text(path: Path) -> str:
    """The text of a file; empty where there is none that can be read."""
    try:
        if not path.is_file():  # a pipe would hold up whoever opens it
            return ""
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(MAX_BYTES)
    except (OSError, ValueError):
        return ""
