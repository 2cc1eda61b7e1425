"""What a release writes and what it pushes, as values: the workflow carries them out, a dry run prints them. Whether it
may begin is next door, in `check`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from release.check import SHAPE, UNRELEASED, NotReadyError, notes

ACTIONS: Final = {"action.yml": "Dockerfile", "all/action.yml": "../all.Dockerfile"}
"""The actions, and what each is built from on main."""

PINNED: Final = re.compile(r"[a-z0-9.-]+(:\d+)?(/[a-z0-9._-]+)+@sha256:[0-9a-f]{64}")
BOT: Final = ("github-actions[bot]", "41898282+github-actions[bot]@users.noreply.github.com")


@dataclass(frozen=True)
class Images:
    """What was built and tested, each by its digest: of the core's providers, and of all."""

    core: str
    everything: str

    def __post_init__(self) -> None:
        for image in (self.core, self.everything):
            if not PINNED.fullmatch(image):
                raise NotReadyError(
                    f"image '{image}' is not named by its digest, as in ghcr.io/org/name@sha256:<64 hex>"
                )


def stamped(root: Path, images: Images) -> dict[str, str]:
    """The text of each action with its image by digest, and not one character else."""
    texts = {}
    for (name, built_from), image in zip(ACTIONS.items(), (images.core, images.everything), strict=True):
        text = (root / name).read_text(encoding="utf-8")
        line = f"\n  image: {built_from}\n"
        if text.count(line) != 1:
            raise NotReadyError(f"{name}: the line '{line.strip()}', which gets the digest, is not there once")
        texts[name] = text.replace(line, f"\n  image: docker://{image}\n")
    return texts


def prepared(pyproject: str, changelog: str, version: str, day: str) -> tuple[str, str]:
    """Both files with a new version: what is unreleased becomes its section."""
    if not SHAPE.fullmatch(version):
        raise NotReadyError(f"version '{version}' is not of the shape 1.2.3")
    if not notes(changelog, UNRELEASED):
        raise NotReadyError(f"CHANGELOG.md: the section [{UNRELEASED}] is empty; say there what changed")
    heading = f"## [{UNRELEASED}]\n"
    return (
        re.sub(r'^version = ".*"$', f'version = "{version}"', pyproject, count=1, flags=re.MULTILINE),
        changelog.replace(heading, f"{heading}\n## [{version}] - {day}\n", 1),
    )


def publish(version: str, notes_file: str) -> list[list[str]]:
    """A commit beside main with the stamped actions, its tag, and the release. After this a version can be pinned."""
    name, mail = BOT
    tag = f"v{version}"
    return [
        ["git", "-c", f"user.name={name}", "-c", f"user.email={mail}", "commit", "-m", f"Release {tag}", *ACTIONS],
        ["git", "push", "origin", f"HEAD:refs/tags/{tag}"],
        ["gh", "release", "create", tag, "--verify-tag", "--title", tag, "--notes-file", notes_file],
    ]


def move(version: str, images: Images) -> list[list[str]]:
    """What moves from release to release: tags of the images first, and what `uses: …@v1` reads last."""
    minor, major = f"v{version.rpartition('.')[0]}", f"v{version.split('.')[0]}"
    commands = []
    for image, suffix in ((images.core, ""), (images.everything, "-all")):
        name = image.partition("@")[0]
        tags = [word for tag in (minor, major) for word in ("--tag", f"{name}:{tag}{suffix}")]
        commands.append(["docker", "buildx", "imagetools", "create", *tags, image])
    commands.append(["git", "fetch", "--depth=1", "origin", f"refs/tags/v{version}"])
    return [*commands, ["git", "push", "--force", "origin", f"FETCH_HEAD:refs/tags/{major}"]]
