"""What comes into the image and into CI is pinned, and what is pinned twice is pinned alike."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from tests.fuzz.target import NAMES

ROOT = Path(__file__).parents[1]
OURS = "org/strands-action"
"""The name that stands for this repository in all that is copied."""

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def workflow(name: str) -> Any:
    return yaml.safe_load((ROOT / f".github/workflows/{name}.yml").read_text(encoding="utf-8"))


def test_the_image_installs_wheels_by_their_hashes_and_nothing_else() -> None:
    [install] = re.findall(r"pip install(?:\\\n|[^&\n])+", DOCKERFILE)
    assert {"--require-hashes", "--no-deps"} <= {*install.split()}
    assert "--only-binary :all:" in install
    assert not re.search(r"apt-get|curl|wget|^ADD|https?:", DOCKERFILE, re.MULTILINE)


def test_every_package_of_the_image_has_one_version_and_its_hashes() -> None:
    locked = (ROOT / "requirements/runtime.txt").read_text(encoding="utf-8")
    packages = [line for line in locked.splitlines() if line and line[0] not in " #"]
    assert packages
    assert all(re.match(r"[\w.-]+==[\w.]+( ; .+)? \\$", line) for line in packages), packages
    assert len(re.findall(r"\\\n    --hash=sha256:[0-9a-f]{64}", locked)) >= len(packages)


def test_every_stage_of_the_image_begins_with_a_base_that_the_release_gives_by_its_digest() -> None:
    stages = dict.fromkeys(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE))
    assert stages.keys() - {*re.findall(r" AS (\S+)$", DOCKERFILE, re.MULTILINE)} == {"${BASE}"}

    build = next(step for step in workflow("release")["jobs"]["build"]["steps"] if step.get("id") == "build")
    given = dict(line.split("=", 1) for line in build["with"]["build-args"].splitlines())
    assert given["BASE"] == "${{ needs.check.outputs.base }}@${{ needs.check.outputs.base-digest }}"
    assert {"sbom": True, "provenance": "mode=max"}.items() <= build["with"].items()


def test_an_action_has_the_same_version_wherever_it_is_named() -> None:
    files = [
        *ROOT.glob(".github/workflows/*.yml"),
        *ROOT.glob("examples/*/ci.yml"),
        *ROOT.glob("docs/*.md"),
        ROOT / "README.md",
    ]
    named: dict[str, set[str]] = {}
    for file in files:
        for action, version in re.findall(r"uses: ([\w-]+/[\w-]+)@(.+)", file.read_text(encoding="utf-8")):
            named.setdefault(action, set()).add(version)
    assert {action: versions for action, versions in named.items() if len(versions) > 1} == {}
    assert all(
        re.fullmatch(r"[0-9a-f]{40} # v[\d.]+", *versions) for action, versions in named.items() if action != OURS
    )


def test_every_target_is_fuzzed_every_week() -> None:
    assert workflow("fuzz")["jobs"]["fuzz"]["strategy"]["matrix"]["target"] == [*NAMES]
