"""A release as far as it goes without a network and without pushing anything: the steps of the real one, on this tree.
Unlike them it may use what the development environment has: a builder of wheels, YAML, an engine.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from email.parser import HeaderParser
from pathlib import Path
from shlex import join
from typing import Any, Final
from zipfile import ZipFile

import yaml

from release import steps
from release.check import NotReadyError, notes

NAME: Final = "ghcr.io/org/strands-action"
STANDING_IN: Final = f"{NAME}@sha256:{'0' * 64}"
"""For the digest of an image that nobody pushed."""

LABEL: Final = '{{index .Config.Labels "org.opencontainers.image.version"}}'


def rehearse(root: Path, version: str, say: Callable[[str], None], *, image: bool) -> None:
    """Raises NotReadyError for the first thing that a release would break on."""
    with tempfile.TemporaryDirectory(prefix="release-") as folder:
        say(f"wheel: {_wheel(root, version, Path(folder))}")
    images = steps.Images(STANDING_IN, STANDING_IN)
    for file in ("Dockerfile", "all.Dockerfile") if image else ():
        say(f"image: {_image(root, version, file)}")
    with tempfile.TemporaryDirectory(prefix="release-") as folder:
        for name, text in steps.stamped(root, images).items():
            (Path(folder) / name).parent.mkdir(exist_ok=True)
            (Path(folder) / name).write_text(text, encoding="utf-8")
            say(f"release commit: {name}: {_checked(root / name, Path(folder) / name)}")
    say(f"release notes:\n\n{notes((root / 'CHANGELOG.md').read_text(encoding='utf-8'), version)}\n")
    say("would be pushed, in this order:")
    for command in pushed(version, images):
        say(f"  {command}")


def pushed(version: str, images: steps.Images) -> Iterator[str]:
    """All that leaves the machine, in its order."""
    for image, suffix in ((images.core, ""), (images.everything, "-all")):
        yield f"docker: {image}, built and tested for linux/amd64 and linux/arm64, as {NAME}:v{version}{suffix}"
    yield from map(join, [*steps.publish(version, "<notes>"), *steps.move(version, images)])


def _wheel(root: Path, version: str, folder: Path) -> str:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    _told(command, root, "the wheel does not build")
    [wheel] = folder.glob("*.whl")
    with ZipFile(wheel) as archive:
        [metadata] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        said = HeaderParser().parsestr(archive.read(metadata).decode())["Version"]
    if said != version:
        raise NotReadyError(f"{wheel.name}: its metadata say {said}, not {version}")
    return wheel.name


def _image(root: Path, version: str, file: str) -> str:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "version"], capture_output=True).returncode:
        return "not built, for no engine answers"
    tag = f"strands-action:release-dry-run-{file.partition('.')[0].lower()}"
    built = [docker, "build", "--file", file, "--tag", tag, "--build-arg", f"VERSION={version}", "."]
    _told(built, root, f"{file} does not build")
    said = _told([docker, "inspect", "--format", LABEL, tag], root, "the image cannot be inspected").strip()
    if said != version:
        raise NotReadyError(f"{file}: the image's label says version {said}, not {version}")
    return f"{tag}, whose label says {said}"


def _told(command: list[str], root: Path, what: str) -> str:
    ended = subprocess.run(command, cwd=root, capture_output=True, text=True)
    if ended.returncode:
        raise NotReadyError(f"{what}:\n{ended.stderr[-2000:]}")
    return ended.stdout


def _checked(before: Path, after: Path) -> str:
    """The image of a stamped action, when that is all that became another."""
    was, now = (yaml.safe_load(file.read_text(encoding="utf-8")) for file in (before, after))
    image = now["runs"]["image"]
    if not image.startswith("docker://") or not steps.PINNED.fullmatch(image.removeprefix("docker://")):
        raise NotReadyError(f"{after.name}: runs.image is {image}, not an image by its digest")
    if _without_image(was) != _without_image(now):
        raise NotReadyError(f"{after.name}: stamping changed more than runs.image")
    return str(image)


def _without_image(action: dict[str, Any]) -> dict[str, Any]:
    return {**action, "runs": {**action["runs"], "image": None}}
