"""The skills of a file: texts that lie beside it, read and checked before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from runner.errors import Finding, Location, SpecError
from runner.plan.tools import SkillText
from runner.spec.load import parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from runner.plan.problems import Find
    from runner.spec import models as spec

MAX_BYTES: Final = 256 * 1024
NAMES: Final = ("SKILL.md", "README.md")
"""What a skill's directory holds it in; the first that is there."""


def load(skills: Sequence[spec.Skill], root: Path | None, workspace: Path | None, find: Find) -> Iterator[SkillText]:
    """Every skill that can be read; `find` is told of the others. `root` is the directory that paths start from, and
    the workspace (without one: `root`) what they stay in; without a root nothing is read, and the texts are empty."""
    seen: set[str] = set()
    for index, skill in enumerate(skills):
        if skill.id in seen:
            find(f"skill id '{skill.id}' stands here again", ("skills", index, "id"))
        seen.add(skill.id)
        try:
            yield _skill(skill, root, workspace)
        except SpecError as error:
            find(error.message, ("skills", index, "path"))


def _skill(skill: spec.Skill, root: Path | None, workspace: Path | None) -> SkillText:
    if root is None:
        return SkillText(skill.id, skill.description or "", "", skill.preload_metadata)
    heading, text = _halves(_read(skill.path, root, workspace or root), skill.path)
    description = skill.description or heading.get("description") or heading.get("name") or ""
    return SkillText(skill.id, " ".join(description.split()), text, skill.preload_metadata)


def _read(name: str, root: Path, within: Path) -> str:
    try:
        path = (root / name).resolve()
        if path.is_dir():
            path = next((found for one in NAMES if (found := path / one).is_file()), path / NAMES[0]).resolve()
        elif path.suffix.lower() != ".md":
            raise _problem(f"skill '{name}' is neither a directory with a {NAMES[0]} nor a .md file")
        if not path.is_relative_to(within.resolve()):
            raise _problem(f"skill '{name}' lies outside the workspace")
        if path.exists() and not path.is_file():
            raise _problem(f"skill '{name}' is not a regular file")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise _problem(f"skill '{name}' is larger than {MAX_BYTES // 1024} KiB")
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except FileNotFoundError:
        raise _problem(f"skill '{name}' is not there: it needs a directory with a {NAMES[0]}, or a .md file") from None
    except OSError as error:
        raise _problem(f"skill '{name}' cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise _problem(f"skill '{name}' is not UTF-8 text (byte {error.start})") from None
    except (ValueError, RuntimeError) as error:  # a null byte; a loop of links
        raise _problem(f"skill '{name}' cannot be read: {error}") from None


def _halves(text: str, name: str) -> tuple[Mapping[str, str], str]:
    """What stands between two lines of `---` at the top, of which `name` and `description` count, and the rest."""
    lines = text.split("\n")
    if lines[0].rstrip() != "---":
        return {}, text
    end = next((index for index, line in enumerate(lines) if index and line.rstrip() == "---"), None)
    if end is None:
        raise _problem(f"skill '{name}': its front matter has no end, a line of ---")
    front = "\n".join(lines[1:end])
    found: Any = {}
    if front.strip():
        try:
            found = parse(front, name).data
        except SpecError as error:
            line = error.at.line + 1 if error.at else 1
            raise _problem(f"skill '{name}': its front matter, line {line}: {error.message}") from None
    if not isinstance(found, dict):
        raise _problem(f"skill '{name}': its front matter is not a mapping")
    heading = {key: found[key] for key in ("name", "description") if found.get(key) is not None}
    for key, value in heading.items():
        if not isinstance(value, str):
            raise _problem(f"skill '{name}': {key} in its front matter is not text")
    return heading, "\n".join(lines[end + 1 :]).lstrip("\n")


def _problem(message: str) -> SpecError:
    return SpecError([Finding(message, Location(""))])
