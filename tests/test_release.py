"""A release on a repository of its own, with an origin beside it: what stops it, what it pushes, and in which order."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from release.__main__ import main, parser
from release.check import HEADING, NotReadyError, notes, of_pages, problems, version_of
from release.steps import ACTIONS, Images, move, prepared, stamped
from tests.programs import needed
from tests.test_supply_chain import DOCKERFILE, ROOT, workflow

CORE, EVERYTHING = (f"ghcr.io/org/strands-action@sha256:{digit * 64}" for digit in "12")
IMAGES = Images(CORE, EVERYTHING)
CHANGELOG = """# Changelog

## [Unreleased]

## [1.2.3] - 2026-01-31

- Rivers have names.

## [1.2.2] - 2026-01-01

- Old.
"""


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clean clone that can be released as 1.2.3; its origin has v1.2.2, and v1 there."""
    needed("git")
    for name, value in {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}.items():
        monkeypatch.setenv(name, value)
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "somebody")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "somebody@example.com")
    root = tmp_path / "tree"
    write(root, "pyproject.toml", '[project]\nname = "strands-action"\nversion = "1.2.3"\n')
    write(root, "CHANGELOG.md", CHANGELOG)
    write(root, "README.md", "uses: org/strands-action@v1\n")
    for name in ACTIONS:
        write(root, name, (ROOT / name).read_text(encoding="utf-8"))
    git(tmp_path, "init", "--quiet", "--bare", "origin")
    git(root, "init", "--quiet", "--initial-branch=main")
    git(root, "remote", "add", "origin", str(tmp_path / "origin"))
    commit(root)
    git(root, "tag", "v1.2.2")
    git(root, "push", "--quiet", "origin", "main", "v1.2.2", "v1.2.2:refs/tags/v1")
    return root


def write(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text, encoding="utf-8")


def commit(root: Path) -> None:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--allow-empty", "--message", "as it is")


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the release asked of gh and docker, a line a call: programs that only write it down."""
    written = tmp_path / "calls"
    written.touch()
    for name in ("gh", "docker"):
        write(tmp_path, f"bin/{name}", f'#!/bin/sh\necho "{name} $*" >> {written}\n')
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    return written


# -- whether it may begin ---------------------------------------------------------------------------------------------


def test_a_tree_that_is_ready_has_nothing_wrong(tree: Path) -> None:
    assert [*problems(tree, "1.2.3")] == []


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("pyproject.toml", "1.2.3", "1.2.4", r"pyproject\.toml: version is 1\.2\.4, not 1\.2\.3; .*prepare 1\.2\.3"),
        ("CHANGELOG.md", "[1.2.3]", "[1.2.4]", r"CHANGELOG\.md: there is no section '## \[1\.2\.3\] - <date>'; `py"),
        ("CHANGELOG.md", " - 2026-01-31", "", r"CHANGELOG\.md: the section \[1\.2\.3\] has no date such as 2026-01-31"),
        ("CHANGELOG.md", "- Rivers have names.\n", "", r"CHANGELOG\.md: the section \[1\.2\.3\] is empty; say there"),
        ("CHANGELOG.md", "## [Unreleased]\n", "", r"CHANGELOG\.md: its first section is not '## \[Unreleased\]'"),
        ("README.md", "@v1", "@v2", r"README\.md: names @v2, which 1\.2\.3 does not move; @v1 is right"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place_and_what_would_be_right(
    tree: Path, name: str, old: str, new: str, said: str
) -> None:
    write(tree, name, (tree / name).read_text().replace(old, new))
    commit(tree)
    [found] = problems(tree, "1.2.3")
    assert re.match(said, found)


def test_changes_that_no_commit_has_are_not_released(tree: Path) -> None:
    write(tree, "README.md", "changed")
    [found] = problems(tree, "1.2.3")
    assert found == "the tree has changes that no commit has (M README.md); commit them, or take them back"


@pytest.mark.parametrize(
    ("tag", "said"),
    [
        ("v1.2.3", "git: the tag v1.2.3 exists; a version is released once, so take the next"),
        ("v1.10.0", "git: v1.10.0 is out, and v1 would go back from it to 1.2.3; take a newer version"),
    ],
)
def test_a_version_is_released_once_and_no_major_tag_goes_back(tree: Path, tag: str, said: str) -> None:
    git(tree, "tag", tag)
    assert [*problems(tree, "1.2.3")] == [said]


def test_an_older_major_can_have_a_newer_version(tree: Path) -> None:
    git(tree, "tag", "v2.0.0")
    assert [*problems(tree, "1.2.3")] == []


@pytest.mark.parametrize("version", ["v1.2.3", "1.2", "1.2.3-rc1", "01.2.3", "1.2.3; rm"])
def test_a_version_has_three_numbers(tmp_path: Path, version: str) -> None:
    assert [*problems(tmp_path, version)] == [f"version '{version}' is not of the shape 1.2.3"]


# -- what it writes ---------------------------------------------------------------------------------------------------


def test_what_is_unreleased_becomes_the_section_of_a_version() -> None:
    before = "# Changelog\n\n## [Unreleased]\n\n- Rivers.\n\n## [1.0.0] - 2026-01-01\n\n- All.\n"
    project, changelog = prepared('version = "1.0.0"\n', before, "1.1.0", "2026-02-01")
    assert project == 'version = "1.1.0"\n'
    assert notes(changelog, "1.1.0") == "- Rivers."
    assert notes(changelog, "1.0.0") == "- All."
    assert notes(changelog, "Unreleased") == ""


def test_nothing_is_prepared_of_which_nothing_is_said() -> None:
    with pytest.raises(NotReadyError, match=r"CHANGELOG\.md: the section \[Unreleased\] is empty"):
        prepared('version = "1.0.0"\n', "## [Unreleased]\n", "1.1.0", "2026-02-01")


def test_an_action_is_stamped_with_its_image_and_is_the_same_otherwise() -> None:
    for (name, text), image in zip(stamped(ROOT, IMAGES).items(), (CORE, EVERYTHING), strict=True):
        was = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
        was["runs"]["image"] = f"docker://{image}"
        assert yaml.safe_load(text) == was


def test_an_action_that_is_stamped_already_is_not_stamped_again(tmp_path: Path) -> None:
    for name, text in stamped(ROOT, IMAGES).items():
        write(tmp_path, name, text)
    with pytest.raises(
        NotReadyError, match=r"action\.yml: the line 'image: Dockerfile', which gets the digest, is not"
    ):
        stamped(tmp_path, IMAGES)


@pytest.mark.parametrize("image", ["ghcr.io/org/name:v1", "ghcr.io/org/name@sha256:12", "", f"@sha256:{'1' * 64}"])
def test_an_image_is_named_by_its_digest(image: str) -> None:
    with pytest.raises(NotReadyError, match="is not named by its digest"):
        Images(CORE, image)


# -- what it pushes ---------------------------------------------------------------------------------------------------


def test_a_release_is_a_tagged_commit_beside_main_and_its_notes(
    tree: Path, calls: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    origin = tree.parent / "origin"
    main_before, major_before = git(origin, "rev-parse", "main"), git(origin, "rev-parse", "v1")
    write(calls.parent, "bin/gh", f'#!/bin/sh\necho "gh $*" >> {calls}\nfor file; do :; done\ncat "$file" >> {calls}\n')
    assert main(["publish", "1.2.3", CORE, EVERYTHING], tree) == 0, capfd.readouterr()

    assert git(origin, "rev-parse", "v1.2.3^") == main_before == git(origin, "rev-parse", "main")
    assert f"image: docker://{CORE}" in git(origin, "show", "v1.2.3:action.yml")
    assert f"image: docker://{EVERYTHING}" in git(origin, "show", "v1.2.3:all/action.yml")
    assert git(origin, "rev-parse", "v1") == major_before
    said = calls.read_text()
    assert said.startswith("gh release create v1.2.3 --verify-tag --title v1.2.3 --notes-file ")
    assert "- Rivers have names.\n" in said
    assert "- Old." not in said


def test_the_major_tag_moves_to_what_was_released(tree: Path, calls: Path) -> None:
    origin = tree.parent / "origin"
    assert main(["publish", "1.2.3", CORE, EVERYTHING], tree) == 0
    git(tree, "reset", "--quiet", "--hard", "main@{1}")  # the workflow moves it from another checkout
    assert main(["move", "1.2.3", CORE, EVERYTHING], tree) == 0
    assert git(origin, "rev-parse", "v1") == git(origin, "rev-parse", "v1.2.3")
    assert calls.read_text().count("docker buildx imagetools create --tag") == 2


def test_the_major_tag_stays_where_it_is_when_anything_before_it_fails(
    tree: Path, calls: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(calls.parent, "bin/docker", "#!/bin/sh\nexit 3\n")
    assert main(["publish", "1.2.3", CORE, EVERYTHING], tree) == 0
    assert main(["move", "1.2.3", CORE, EVERYTHING], tree) == 1
    origin = tree.parent / "origin"
    assert git(origin, "rev-parse", "v1") == git(origin, "rev-parse", "v1.2.2")
    assert "ended with exit code 3; what follows it was not done" in capsys.readouterr().err


def test_a_release_that_broke_off_after_its_tag_goes_on_when_its_job_is_run_again(
    tree: Path, calls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(calls.parent, "bin/gh", "#!/bin/sh\nexit 1\n")
    assert main(["publish", "1.2.3", CORE, EVERYTHING], tree) == 1
    git(tree, "reset", "--quiet", "--hard", "main@{1}")
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_DATE", "2031-01-01T00:00:00Z")  # some time later
    write(calls.parent, "bin/gh", f'#!/bin/sh\necho "gh $*" >> {calls}\n')
    assert main(["publish", "1.2.3", CORE, EVERYTHING], tree) == 0
    assert calls.read_text().startswith("gh release create v1.2.3 ")


def test_nothing_moves_after_the_major_tag() -> None:
    *before, last = move("1.2.3", IMAGES)
    assert last == ["git", "push", "--force", "origin", "FETCH_HEAD:refs/tags/v1"]
    assert [word for command in before for word in command if re.search(r":v1(\.2)?(-all)?$", word)] == [
        f"ghcr.io/org/strands-action:{tag}" for tag in ("v1.2", "v1", "v1.2-all", "v1-all")
    ]


# -- this repository --------------------------------------------------------------------------------------------------


def test_a_dry_run_goes_as_far_as_the_pushes(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree / name)
    shutil.copytree(ROOT / "runner", tree / "runner", ignore=shutil.ignore_patterns("__pycache__"))
    version = version_of(tree)
    write(tree, "CHANGELOG.md", CHANGELOG.replace("1.2.3", version))
    commit(tree)
    git(tree, "tag", "--delete", "v1.2.2")
    before = git(tree, "rev-parse", "HEAD")
    assert main(["dry-run", "--no-image"], tree) == 0, capsys.readouterr().err

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{version} can be released"
    assert lines[1].startswith(f"wheel: strands_action-{version}-")
    assert lines[-1].endswith(f":refs/tags/v{version.split('.')[0]}")
    assert git(tree, "rev-parse", "HEAD") == before
    assert git(tree, "status", "--porcelain") == ""


def test_the_pages_name_the_major_tag_of_the_projects_version() -> None:
    assert [*of_pages(ROOT, version_of(ROOT))] == []


def test_the_changelog_begins_with_what_is_unreleased() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert HEADING.findall(text)[0] == ("Unreleased", "")
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}  # https://keepachangelog.com/en/1.1.0/
    assert {*re.findall(r"^### (.+)$", text, re.MULTILINE)} <= kinds


def test_the_version_of_the_image_is_the_releases() -> None:
    build = next(step for step in jobs()["build"]["steps"] if step.get("id") == "build")
    assert "VERSION=${{ env.VERSION }}" in build["with"]["build-args"].splitlines()
    assert 'org.opencontainers.image.version="${VERSION}"' in DOCKERFILE


def jobs() -> dict[str, Any]:
    return dict(workflow("release")["jobs"])


def test_the_workflow_moves_what_moves_when_all_else_has_succeeded() -> None:
    def before(name: str) -> set[str]:
        needs = jobs()[name].get("needs", [])
        direct = {needs} if isinstance(needs, str) else {*needs}
        return direct.union(*(before(one) for one in direct))

    assert before("move") == jobs().keys() - {"move"}
    assert "if" not in jobs()["move"]


def test_the_workflow_takes_the_steps_of_the_rehearsal() -> None:
    runs = [step.get("run", "") for job in jobs().values() for step in job.get("steps", [])]
    asked = [shlex.split(one) for run in runs for one in re.findall(r"python3 -m release (.+)", run)]
    assert [parser().parse_args(words).command for words in asked] == ["check", "publish", "move"]
    assert not [run for run in runs if "git push" in run or "gh release" in run]
