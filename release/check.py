"""Whether a tree can be released as a version: what is wrong with it, each with where it is and what would be right.
Standard library only, for the release workflow runs it with rights that no package should have.
"""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

SHAPE: Final = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
HEADING: Final = re.compile(r"^## \[(.+?)\](?: - (\S+))?$", re.MULTILINE)
UNRELEASED: Final = "Unreleased"
PAGES: Final = ("README.md", "docs", "examples")


class NotReadyError(Exception):
    """The tree cannot be released; a line for each thing that is wrong."""


def version_of(root: Path) -> str:
    """The version, from the one place that has it."""
    return str(tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])


def notes(changelog: str, version: str) -> str:
    """What the changelog says of a version; empty where it says nothing."""
    parts = HEADING.split(changelog)[1:]
    sections = dict(zip(parts[::3], parts[2::3], strict=True))
    return sections.get(version, "").strip()


def problems(root: Path, version: str) -> Iterator[str]:
    """What stands in the way of a release, cheapest first."""
    if not SHAPE.fullmatch(version):
        yield f"version '{version}' is not of the shape 1.2.3"
        return
    if (found := version_of(root)) != version:
        yield f"pyproject.toml: version is {found}, not {version}; `python -m release prepare {version}` writes it"
    yield from _of_changelog((root / "CHANGELOG.md").read_text(encoding="utf-8"), version)
    yield from of_pages(root, version)
    yield from _of_tags(_git(root, "tag", "--list", "v*").split(), version)
    if changed := _git(root, "status", "--porcelain").splitlines():
        yield f"the tree has changes that no commit has ({changed[0].strip()}); commit them, or take them back"


def _of_changelog(text: str, version: str) -> Iterator[str]:
    dates = dict(HEADING.findall(text))
    if next(iter(dates), None) != UNRELEASED:
        yield f"CHANGELOG.md: its first section is not '## [{UNRELEASED}]'"
    if version not in dates:
        yield (
            f"CHANGELOG.md: there is no section '## [{version}] - <date>'; "
            f"`python -m release prepare {version}` makes one of what is unreleased"
        )
        return
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", dates[version]):
        yield f"CHANGELOG.md: the section [{version}] has no date such as 2026-01-31 after its name"
    if not notes(text, version):
        yield f"CHANGELOG.md: the section [{version}] is empty; say there what changed"


def of_pages(root: Path, version: str) -> Iterator[str]:
    """Who copies a page gets the major tag that it names."""
    major = f"v{version.split('.')[0]}"
    for page in sorted(file for name in PAGES for file in _files(root / name)):
        named = re.findall(r"org/strands-action(?:/all)?@(v\d+)", page.read_text(encoding="utf-8"))
        if others := {*named} - {major}:
            yield f"{page.relative_to(root)}: names @{min(others)}, which {version} does not move; @{major} is right"


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    for ending in ("md", "yml", "yaml"):
        yield from path.rglob(f"*.{ending}")


def _of_tags(tags: list[str], version: str) -> Iterator[str]:
    if f"v{version}" in tags:
        yield f"git: the tag v{version} exists; a version is released once, so take the next"
    released = [_parts(tag[1:]) for tag in tags if SHAPE.fullmatch(tag[1:])]
    newer = [one for one in released if one[0] == _parts(version)[0] and one > _parts(version)]
    if newer:
        newest, major = ".".join(map(str, max(newer))), version.split(".")[0]
        yield f"git: v{newest} is out, and v{major} would go back from it to {version}; take a newer version"


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True).stdout
