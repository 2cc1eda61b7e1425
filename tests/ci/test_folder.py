"""The files of a run: in a directory of its own, whole, inside it, and the workspace owner's."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from runner import folder as folders
from runner.credentials.scrub import Scrubber
from runner.errors import FileProblem
from runner.folder import CLAIM, Folder

STRANGER = 12345


@pytest.fixture
def run(tmp_path: Path) -> Folder:
    return claim(tmp_path)


def claim(workspace: Path, wanted: str = "out") -> Folder:
    return Folder.claim(workspace, wanted, "{}")


# -- a directory of its own -------------------------------------------------------------------------------------------


def test_the_first_run_has_the_directory_itself(tmp_path: Path) -> None:
    assert claim(tmp_path, "a/b").directory == tmp_path / "a/b"


def test_later_runs_have_one_below_it(tmp_path: Path) -> None:
    found = [claim(tmp_path).directory for _ in range(3)]
    assert found == [tmp_path / "out", tmp_path / "out/run-2", tmp_path / "out/run-3"]


def test_runs_that_begin_together_never_share(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: claim(tmp_path).directory, range(64)))
    assert len(set(found)) == 64


def test_a_claim_is_there_from_the_beginning(tmp_path: Path) -> None:
    claimed = Folder.claim(tmp_path, "out", '{"status": "failed"}')
    assert (claimed.directory / CLAIM).read_text() == '{"status": "failed"}'


def test_the_workspace_itself_may_be_the_directory(tmp_path: Path) -> None:
    assert claim(tmp_path, ".").directory == tmp_path


@pytest.mark.parametrize("target", [".git", ".git/hooks", "sub/.GIT"])
def test_no_link_leads_to_where_git_finds_commands(tmp_path: Path, target: str) -> None:
    (tmp_path / target).mkdir(parents=True)
    (tmp_path / "out").symlink_to(target)
    with pytest.raises(FileProblem, match=r"leads into \.git, where git finds commands to run"):
        claim(tmp_path)
    assert [*(tmp_path / target).iterdir()] == []


def test_a_directory_elsewhere_may_be_named_outright(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    claimed = claim(workspace, str(elsewhere))
    assert claimed.shown(claimed.write("a.txt", "a")) == str(elsewhere / "a.txt")


def test_a_link_to_a_directory_elsewhere_may_be_named_outright(tmp_path: Path) -> None:
    """Such as one to another disk: whoever names it is whoever made it, and not the repository."""
    workspace, disk = tmp_path / "workspace", tmp_path / "disk"
    for path in (workspace, disk):
        path.mkdir()
    (tmp_path / "link").symlink_to(disk)
    assert claim(workspace, str(tmp_path / "link/out")).write("a", "a") == disk / "out/a"


def test_a_link_in_the_workspace_may_lead_to_another_place_in_it(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("real")
    assert claim(tmp_path, "link/out").write("a", "a") == tmp_path / "real/out/a"


@pytest.mark.parametrize(
    "wanted", ["..", "../out", "out/../../x", "link", "link/out", "{workspace}/link", "{workspace}/./x/../link/out"]
)
def test_a_directory_outside_the_workspace_is_refused(tmp_path: Path, wanted: str) -> None:
    workspace = tmp_path / "workspace"
    wanted = wanted.replace("{workspace}", str(workspace))
    workspace.mkdir()
    (workspace / "link").symlink_to(tmp_path)
    with pytest.raises(FileProblem, match="leads out of the workspace"):
        claim(workspace, wanted)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["workspace"]


def test_a_name_too_long_for_a_directory_is_told(tmp_path: Path) -> None:
    for made in (lambda name: claim(tmp_path, name), lambda name: Folder.at(tmp_path, name, "fixtures")):
        with pytest.raises(FileProblem, match="cannot be a directory: File name too long"):
            made("a" * 300)


def test_a_directory_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(FileProblem, match="artifacts-dir 'out' cannot be written: Not a directory"):
        claim(tmp_path)


def test_a_name_that_no_directory_can_have_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileProblem, match="artifacts-dir"):
        claim(tmp_path, "a\0b")


# -- files ------------------------------------------------------------------------------------------------------------


def test_a_file_is_written_with_the_directories_above_it(run: Folder) -> None:
    path = run.write("notes/a/b.md", "ü\n")
    assert path == run.directory / "notes/a/b.md"
    assert path.read_bytes() == "ü\n".encode()


def test_a_file_is_shown_as_the_user_would_name_it(run: Folder) -> None:
    assert run.shown(run.write("a.md", "a")) == "out/a.md"


def test_a_later_text_takes_the_place_of_an_earlier_one(run: Folder) -> None:
    run.write("a.md", "one" * 100)
    assert run.write("a.md", "two").read_text() == "two"


def test_only_the_file_itself_is_left(run: Folder) -> None:
    run.write("a.md", "a")
    assert sorted(path.name for path in run.directory.iterdir()) == ["a.md", CLAIM]


def test_what_a_killed_run_had_begun_to_write_is_in_nobodys_way(run: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        for name in ("replace", "unlink"):  # which is what one that is killed does not come to
            patched.setattr(os, name, lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run.write("a.txt", "a")
    (left,) = run.unfinished()

    assert run.write("a.txt", "a").read_text() == "a"  # in the same process, as every container's has the same number
    run.clear([left, left])
    assert run.unfinished() == []


def test_half_a_surrogate_pair_does_not_end_the_run(run: Folder) -> None:
    assert run.write("a.md", "a\ud83d").read_text() == "a?"


def test_secrets_are_taken_out_of_what_is_written(tmp_path: Path) -> None:
    run = Folder.claim(tmp_path, "out", "{}", lambda text: text.replace("hunter22", "***"))
    assert run.write("a.md", "it is hunter22").read_text() == "it is ***"


@pytest.mark.parametrize(
    "name",
    [
        *("../a", "/etc/passwd", "a/../../b", "..", ".", "", "  ", "a/..", "out/../../../b", "a\0b", "a\ud83d"),
        "{out}/results.json",
    ],
)
def test_a_path_that_leads_out_is_refused(run: Folder, name: str) -> None:
    name = name.replace("{out}", str(run.directory))
    with pytest.raises(FileProblem, match="leads out of the artifacts directory"):
        run.write(name, "a")


@pytest.mark.parametrize(
    "name", [".git/config", "a/.git/hooks/pre-commit", ".GIT/config", "b/../.git/x", "git~1/config"]
)
def test_a_path_that_leads_into_git_is_refused(tmp_path: Path, name: str) -> None:
    """Where the workspace itself is the directory, or a repository is in it."""
    run = claim(tmp_path, ".")
    (tmp_path / ".git").mkdir()
    with pytest.raises(FileProblem, match=r"leads into \.git"):
        run.write(name, "a")
    assert [*(tmp_path / ".git").iterdir()] == []


def test_what_git_itself_takes_for_a_file_may_be_written(tmp_path: Path) -> None:
    assert claim(tmp_path, ".").write(".github/a.md", "a").read_text() == "a"


def test_a_name_that_is_too_long_is_told(run: Folder) -> None:
    with pytest.raises(FileProblem, match="cannot be written: File name too long"):
        run.write("a" * 300, "a")


def test_a_name_that_is_a_directory_is_told(run: Folder) -> None:
    run.write("a/b", "b")
    with pytest.raises(FileProblem, match="out/a cannot be written: Is a directory"):
        run.write("a", "a")
    assert sorted(path.name for path in run.directory.iterdir()) == ["a", CLAIM]


def test_a_directory_that_is_a_file_in_the_way_is_told(run: Folder) -> None:
    run.write("a", "a")
    with pytest.raises(FileProblem, match="out/a/b cannot be written: "):
        run.write("a/b", "b")


# -- links that somebody planted --------------------------------------------------------------------------------------


@pytest.fixture
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("outside")
    (path / "victim").write_text("untouched")
    return path


def test_a_link_to_a_directory_is_not_followed(run: Folder, outside: Path) -> None:
    (run.directory / "tape").mkdir()
    for target in (outside, run.directory / "tape"):
        (run.directory / "notes").symlink_to(target)
        with pytest.raises(FileProblem, match=r"out/notes/victim cannot be written: a link is in the way"):
            run.write("notes/victim", "changed")
        (run.directory / "notes").unlink()
    assert (outside / "victim").read_text() == "untouched"
    assert list((run.directory / "tape").iterdir()) == []


def test_a_link_to_a_file_makes_way_for_the_file(run: Folder, outside: Path) -> None:
    (run.directory / "a.md").symlink_to(outside / "victim")
    assert not run.write("a.md", "ours").is_symlink()
    assert ((outside / "victim").read_text(), (run.directory / "a.md").read_text()) == ("untouched", "ours")


@pytest.mark.parametrize("swapped", ["work", "work/out", "work/out/notes"])
def test_a_directory_that_becomes_a_link_after_it_was_looked_at_is_not_entered(
    tmp_path: Path, outside: Path, swapped: str
) -> None:
    """Nothing of ours is written or deleted behind it, whichever part of the way it is."""
    (tmp_path / "work").mkdir()
    run = claim(tmp_path / "work")
    run.write("notes/a.md", "a")
    (run.directory / ".0123456789abcdef.part").write_text("begun")
    left = run.unfinished()
    (tmp_path / swapped).rename(tmp_path / "moved")
    (tmp_path / swapped).symlink_to(outside)
    for name in ("out/notes", "notes", ""):
        (outside / name).mkdir(parents=True, exist_ok=True)
        (outside / name / left[0]).write_text("theirs")
    before = everything(outside)

    with pytest.raises(FileProblem, match="a link is in the way"):
        run.write("notes/a.md", "b")
    if swapped != "work/out/notes":
        run.clear(left)
    assert everything(outside) == before


def test_a_directory_that_is_swapped_while_we_write_is_left_where_it_was(
    run: Folder, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between any two steps of ours: what was opened stays what it was."""
    run.write("a/b/old", "old")
    before = everything(outside)
    for step in ("mkdir", "replace", "fchown"):
        for swapped in ("a", "a/b"):
            way = run.directory / swapped
            theirs = swapping(getattr(os, step), way, outside)
            with monkeypatch.context() as patched, contextlib.suppress(FileProblem):
                patched.setattr(os, step, theirs)
                run.write("a/b/c/new", "new")
            if way.is_symlink():
                way.unlink()
                way.with_name("moved").rename(way)
            assert everything(outside) == before, (step, swapped)
            shutil.rmtree(run.directory / "a/b/c", ignore_errors=True)


def swapping(do: Callable[..., Any], way: Path, outside: Path) -> Callable[..., Any]:
    """The same, after somebody has put a link in the place of a directory."""

    def swapped(*arguments: Any, **named: Any) -> Any:
        if not way.is_symlink():
            way.rename(way.with_name("moved"))
            way.symlink_to(outside)
        return do(*arguments, **named)

    return swapped


def everything(root: Path) -> dict[str, tuple[int, str | None]]:
    """What is below a directory: whose, and what is in it."""
    return {
        str(path.relative_to(root)): (path.lstat().st_uid, path.read_text() if path.is_file() else None)
        for path in root.rglob("*")
    }


def test_a_link_in_place_of_the_claim_is_not_followed(tmp_path: Path, outside: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / CLAIM).symlink_to(outside / "new")
    assert claim(tmp_path).directory == tmp_path / "out/run-2"
    assert not (outside / "new").exists()


def test_a_link_in_place_of_a_later_runs_directory_is_not_followed(tmp_path: Path, outside: Path) -> None:
    claim(tmp_path)
    (tmp_path / "out/run-2").symlink_to(outside)
    assert claim(tmp_path).directory == tmp_path / "out/run-3"
    assert [path.name for path in outside.iterdir()] == ["victim"]


def test_a_loop_of_links_is_refused(run: Folder) -> None:
    (run.directory / "a").symlink_to(run.directory / "b")
    (run.directory / "b").symlink_to(run.directory / "a")
    with pytest.raises(FileProblem, match="a link is in the way"):
        run.write("a/c", "c")


# -- whose they are ---------------------------------------------------------------------------------------------------


@pytest.fixture
def strangers(tmp_path: Path) -> Path:
    """A workspace that belongs to somebody else, as the host's user is somebody else than the container's."""
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    os.chown(workspace, STRANGER, STRANGER)
    return workspace


def owners(root: Path) -> dict[str, int]:
    return {str(path.relative_to(root)): path.lstat().st_uid for path in root.rglob("*")}


def test_everything_made_is_given_to_the_owner_of_the_workspace(strangers: Path) -> None:
    run = claim(strangers, "a/b")
    run.write("notes/a.md", "a")
    assert owners(strangers) == dict.fromkeys(["a", "a/b", f"a/b/{CLAIM}", "a/b/notes", "a/b/notes/a.md"], STRANGER)


def test_what_was_there_before_stays_whose_it_was(strangers: Path) -> None:
    (strangers / "a").mkdir()
    (strangers / "a/old").write_text("old")
    run = claim(strangers, "a")
    run.write("new", "new")
    assert owners(strangers) == {"a": 0, "a/old": 0, "a/new": STRANGER, f"a/{CLAIM}": STRANGER}


# -- in pieces --------------------------------------------------------------------------------------------------------

SECRET = "correct-horse-battery"


def of_lines(text: str) -> Iterator[str]:
    """A text in pieces that end anywhere, as small as a line or smaller."""
    return (text[at : at + 7] for at in range(0, len(text), 7))


@pytest.mark.parametrize("at", range(0, 90, 4))
def test_no_secret_slips_through_where_pieces_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Wherever in the file it is, broken over lines too."""
    monkeypatch.setattr(folders, "PIECE", 40)
    monkeypatch.setattr(folders, "SEAM", 45)
    filler = "a line of it\n" * 10
    text = filler[:at] + SECRET[:9] + "\n  " + SECRET[9:] + filler[at:]
    folder = Folder.claim(tmp_path, "out", "{}", Scrubber([SECRET]))
    folder.write("whole.md", text)
    folder.write("pieces.md", of_lines(text))

    assert (folder.directory / "pieces.md").read_text() == filler[:at] + "***" + filler[at:]
    assert (folder.directory / "whole.md").read_text() == filler[:at] + "***" + filler[at:]


def test_a_text_is_looked_through_whole_however_far_apart_the_parts_of_a_secret_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "PIECE", 40)
    monkeypatch.setattr(folders, "SEAM", 45)
    folder = Folder.claim(tmp_path, "out", "{}", Scrubber([SECRET]))
    folder.write("whole.md", "a line of it\n" * 10 + SECRET[:4] + "\n" * 200 + SECRET[4:])
    assert (folder.directory / "whole.md").read_text() == "a line of it\n" * 10 + "***"


def test_json_in_pieces_is_the_same_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands for a number is a text, and the end of a piece is in the middle of nothing."""
    monkeypatch.setattr(folders, "PIECE", 40)
    monkeypatch.setattr(folders, "SEAM", 45)
    value = {"steps": [{"response": f'"{n}" {SECRET} \n', "number": 1234567890} for n in range(30)], "name": SECRET}
    text = json.dumps(value, indent=2)
    folder = Folder.claim(tmp_path, "out", "{}", Scrubber([SECRET, "1234567890"]))
    folder.write("whole.json", text)
    folder.write("pieces.json", of_lines(text))

    found = (folder.directory / "pieces.json").read_text()
    assert found == (folder.directory / "whole.json").read_text()
    assert json.loads(found)["steps"][7] == {"response": '"7" *** \n', "number": "***"}


def test_a_piece_that_cannot_be_had_leaves_what_was_there(run: Folder) -> None:
    def pieces() -> Iterator[str]:
        yield "one"
        raise FileProblem("what was kept cannot be read")

    run.write("a.txt", "before")
    with pytest.raises(FileProblem, match="what was kept"):
        run.write("a.txt", pieces())
    assert {one.name: one.read_text() for one in run.directory.iterdir()} == {CLAIM: "{}", "a.txt": "before"}
