"""The door of a release: `python -m release check|prepare|publish|move|dry-run`. CONTRIBUTING.md tells the order, and
.github/workflows/release.yml takes the same steps."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from shlex import join

from release import steps
from release.check import NotReadyError, notes, problems, version_of


def main(arguments: list[str], root: Path) -> int:
    """Exit code 1, with what is wrong, when the tree is not ready."""
    asked = parser().parse_args(arguments)
    try:
        _do(asked, root)
    except NotReadyError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m release")
    commands = made.add_subparsers(dest="command", required=True)
    commands.add_parser("check", help="whether this tree can be released").add_argument("version")
    commands.add_parser("prepare", help="write version and changelog section").add_argument("version")
    for name, told in (("publish", "stamp, commit, tag, release"), ("move", "move the moving tags, the major last")):
        command = commands.add_parser(name, help=told)
        command.add_argument("version")
        command.add_argument("core", help="the image of the core's providers, by digest")
        command.add_argument("everything", help="the image of all providers, by digest")
    rehearsed = commands.add_parser("dry-run", help="all of it, but for the pushes")
    rehearsed.add_argument("--no-image", action="store_true", help="build no image")
    return made


def _do(asked: argparse.Namespace, root: Path) -> None:
    match asked.command:
        case "prepare":
            _prepare(root, asked.version)
        case "check":
            _check(root, asked.version)
        case "publish":
            _publish(root, asked.version, steps.Images(asked.core, asked.everything))
        case "move":
            _carry_out(root, steps.move(asked.version, steps.Images(asked.core, asked.everything)))
        case "dry-run":
            from release.rehearsal import rehearse  # needs more than the standard library

            _check(root, version_of(root))
            rehearse(root, version_of(root), print, image=not asked.no_image)


def _check(root: Path, version: str) -> None:
    if found := [*problems(root, version)]:
        raise NotReadyError("\n".join(["not ready to be released:", *(f"- {one}" for one in found)]))
    print(f"{version} can be released")


def _prepare(root: Path, version: str) -> None:
    files = (root / "pyproject.toml", root / "CHANGELOG.md")
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    texts = steps.prepared(*(file.read_text(encoding="utf-8") for file in files), version, day)
    for file, text in zip(files, texts, strict=True):
        file.write_text(text, encoding="utf-8")


def _publish(root: Path, version: str, images: steps.Images) -> None:
    for name, text in steps.stamped(root, images).items():
        (root / name).write_text(text, encoding="utf-8")
    said = notes((root / "CHANGELOG.md").read_text(encoding="utf-8"), version)
    with tempfile.TemporaryDirectory(prefix="release-") as folder:
        file = Path(folder) / "notes.md"
        file.write_text(f"{said}\n\nImages: `{images.core}`, with every hosted provider `{images.everything}`\n")
        _carry_out(root, steps.publish(version, str(file)), **_dated_as_main(root))


def _dated_as_main(root: Path) -> dict[str, str]:
    """So that a job that is run again makes the same commit, and finds its tag where it is."""
    command = ["git", "show", "--no-patch", "--format=%cI", "HEAD"]
    date = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout.strip()
    return {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}


def _carry_out(root: Path, commands: list[list[str]], **environ: str) -> None:
    for command in commands:
        print(f"$ {join(command)}", flush=True)
        if code := subprocess.run(command, cwd=root, env=os.environ | environ).returncode:
            raise NotReadyError(f"`{join(command)}` ended with exit code {code}; what follows it was not done")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Path(os.getcwd())))
