"""Recordings in a directory: a file for each step, whole, of the right name, or a problem that names it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import RecordingProblem
from runner.folder import Folder
from runner.tape.recording import Answer, Recording, dump
from runner.tape.store import LONGEST, file_name, read, read_all, remove
from tests.build import dag, plan_of, workflow
from tests.contract.replaying import both, fixtures
from tests.servers import OpenAIServer
from tests.workspace import Workspace, chain
from tests.workspace import workflow as file_of

HOME = Path(__file__).parents[2]
ONE = Recording("steps[0]", "h" * 64, answer=Answer(response="ok"))


def put(directory: Path, *recordings: Recording) -> Path:
    """A directory with these in it."""
    directory.mkdir(parents=True, exist_ok=True)
    for one in recordings:
        (directory / file_name(one.path)).write_text(dump(one))
    return directory


def refused(directory: Path) -> str:
    with pytest.raises(RecordingProblem) as raised:
        read(directory, "fixtures")
    assert raised.value.exit_code == 14
    return raised.value.message


# -- names of files ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("steps[0]", "steps[0].json"),
        ("branches.a:b.steps[2]", "branches.a%3Ab.steps[2].json"),
        ("nodes.review#3", "nodes.review#3.json"),
        ("tasks.a/../b", "tasks.a%2F..%2Fb.json"),
        ("tasks.über", "tasks.%C3%BCber.json"),
        (".hidden", "%2Ehidden.json"),
        ("..", "%2E%2E.json"),
        ("a~b", "a%7Eb.json"),
        ("a\ud800", "a%3F.json"),
    ],
)
def test_a_file_is_called_as_its_step(path: str, name: str) -> None:
    assert file_name(path) == name


PATHS = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("[]#.:~%/ "), min_size=1, max_size=300)


@given(PATHS, PATHS)
def test_no_two_paths_share_a_file_and_every_file_system_takes_it(one: str, other: str) -> None:
    name = file_name(one)

    assert (name == file_name(other)) is (one == other)
    assert len(name) <= LONGEST + len(".json")
    assert re.fullmatch(r"(?!\.)[^\x00-\x1f\":<>|*?\\/\x7f-\U0010ffff]*", name)


def test_a_name_that_was_cut_cannot_be_the_name_of_another_path() -> None:
    long = file_name("a" * 200).removesuffix(".json")
    assert file_name(long) != f"{long}.json"


def test_long_ids_that_differ_at_their_ends_have_files_of_their_own() -> None:
    names = [f"{'x:' * 99}{number}" for number in range(3)]
    plan = plan_of(workflow(pattern=dag(*({"id": name} for name in names))))
    assert len({file_name(step.path) for step in plan.steps()}) == 3


# -- reading ----------------------------------------------------------------------------------------------------------


def test_a_directory_that_is_not_there_has_none(tmp_path: Path) -> None:
    assert read(tmp_path / "nowhere", "fixtures") == {}


def test_what_is_read_is_in_the_order_of_names_whatever_wrote_it_first(tmp_path: Path) -> None:
    directory = put(tmp_path, *(replace(ONE, path=f"steps[{number}]") for number in (2, 0, 1)))
    assert [*read(directory, "fixtures")] == ["steps[0]", "steps[1]", "steps[2]"]


def test_what_was_not_finished_and_what_is_no_recording_by_its_name_is_left_alone(tmp_path: Path) -> None:
    directory = put(tmp_path, ONE)
    (directory / ".steps[1].json.0a1b2c3d").write_text('{"format": 1, "pa')
    (directory / ".steps[1].json").write_text("")
    (directory / "README.md").write_text("What these are.")
    (directory / "old").mkdir()
    assert [*read(directory, "fixtures")] == ["steps[0]"]


@pytest.mark.parametrize(
    "content", ["", "{", "{}", "[]", '{"format": 2}', dump(ONE)[:-9], dump(ONE).replace("ok", "no")]
)
def test_one_bad_file_is_never_an_empty_tape(tmp_path: Path, content: str) -> None:
    directory = put(tmp_path, ONE, replace(ONE, path="steps[1]"))
    (directory / "steps[1].json").write_text(content)
    assert refused(directory).startswith("fixtures/steps[1].json is a recording of format 2" if "2" in content[-3:] else
                                         "fixtures/steps[1].json ")  # fmt: skip


def test_a_file_that_was_renamed(tmp_path: Path) -> None:
    put(tmp_path, ONE)
    (tmp_path / "steps[0].json").rename(tmp_path / "steps[1].json")
    assert refused(tmp_path) == "fixtures/steps[1].json is the recording of steps[0]; call it steps[0].json"


def test_a_path_that_no_file_can_have(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"format": 1, "origin": "hand", "path": "\\ud800", "config_hash": "b"}')
    assert "is the recording of" in refused(tmp_path)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "steps[0].json").symlink_to("/proc/self/mem")  # there is nothing at its beginning
    assert refused(tmp_path) == "fixtures/steps[0].json cannot be read: Input/output error"


def test_what_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "steps[0].json").mkdir()
    assert refused(tmp_path) == "fixtures/steps[0].json is not a file; take it out of the directory"
    (tmp_path / "steps[0].json").rmdir()
    os.mkfifo(tmp_path / "steps[0].json")  # whoever opened it would wait for ever
    assert refused(tmp_path) == "fixtures/steps[0].json is not a file; take it out of the directory"


@pytest.mark.parametrize(("to", "why"), [("steps[0].json", "Too many levels"), ("nowhere", "No such file")])
def test_a_link_that_leads_nowhere(tmp_path: Path, to: str, why: str) -> None:
    (tmp_path / "steps[0].json").symlink_to(to)
    assert refused(tmp_path).startswith(f"fixtures/steps[0].json cannot be read: {why}")


@pytest.mark.parametrize("target", ["/etc/hostname", "fixtures", "nowhere"])
def test_a_directory_that_is_none(tmp_path: Path, target: str) -> None:
    (tmp_path / "fixtures").symlink_to(target)
    assert refused(tmp_path / "fixtures").startswith("fixtures is no directory that can be read: ")


# -- the same in a run ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["replay", "record", "resume"])
@pytest.mark.parametrize("wrong", ["cut off", "empty", "edited", "newer", "renamed", "a directory", "a link"])
def test_a_run_asks_nobody_while_a_recording_cannot_be_read(workspace: Workspace, mode: str, wrong: str):
    ran = both(workspace, chain("one"), "ok")
    directory = workspace.root / ("strands-artifacts/tape" if mode == "resume" else "fixtures/test")
    file = directory / "steps[0].json"
    text = file.read_text()
    match wrong:
        case "cut off":
            file.write_text(text[: len(text) // 2])
        case "empty":
            file.write_text("")
        case "edited":
            file.write_text(text.replace('"ok"', '"no"'))
        case "newer":
            file.write_text(text.replace('"format": 1', '"format": 2'))
        case "renamed":
            file.rename(directory / "steps[7].json")
        case "a directory" | "a link":
            file.unlink()
            file.symlink_to(file.name) if wrong == "a link" else file.mkdir()
    with OpenAIServer() as server:
        ran.spec["runtime"]["host"] = server.url
        outcome = workspace.run(ran.spec, mode=mode)

    assert (outcome.exit_code, outcome.outputs["status"], server.connections) == (14, "invalid", 0)
    shown = directory.relative_to(workspace.root).as_posix()
    assert f"{shown}/{'steps[7]' if wrong == 'renamed' else 'steps[0]'}.json" in outcome.annotations[0]


@pytest.mark.parametrize("mode", ["replay", "record"])
def test_a_directory_of_recordings_that_is_a_file(workspace: Workspace, mode: str):
    workspace.write("fixtures/test", "not a directory")
    with OpenAIServer() as server:
        outcome = workspace.run(file_of(server.url, chain("one")), mode=mode)

    assert (outcome.exit_code, server.connections) == (14, 0)
    assert "fixtures/test is no directory that can be read: Not a directory" in outcome.log


@pytest.mark.parametrize("mode", ["replay", "record"])
def test_a_directory_of_recordings_that_leads_in_a_circle(workspace: Workspace, mode: str):
    (workspace.root / "fixtures").mkdir()
    (workspace.root / "fixtures/test").symlink_to("test")
    with OpenAIServer() as server:
        outcome = workspace.run(file_of(server.url, chain("one")), mode=mode)

    assert (outcome.exit_code, server.connections) == (12, 0)
    assert "fixtures 'fixtures/test'" in outcome.log


def test_one_that_was_written_by_hand_is_played_and_stays_one(workspace: Workspace):
    ran = both(workspace, chain("one"), "ok")
    (file,) = fixtures(workspace).values()
    body = json.loads(file.read_text())
    body["turns"][0]["content"][0]["text"] = "written by hand"
    file.write_text(json.dumps({**body, "origin": "hand"}))
    replayed, recorded = (workspace.run(ran.spec, mode=mode) for mode in ("replay", "record"))

    assert replayed.outputs["response"] == recorded.outputs["response"] == "written by hand"
    kept = json.loads((workspace.root / "strands-artifacts/run-4/tape/steps[0].json").read_text())
    assert (kept["origin"], json.loads(file.read_text())["origin"]) == ("hand", "hand")


RECORDING = """
import pathlib, sys
from runner.folder import Folder
from runner.tape.recording import Answer, Recording, dump
from runner.tape.store import file_name
folder = Folder.at(pathlib.Path.cwd(), "fixtures", "fixtures")
for number in range(150):
    recording = Recording(f"steps[{number % 3}]", sys.argv[1], answer=Answer(response=sys.argv[1] * 999 * number))
    folder.write(file_name(recording.path), dump(recording))
"""


def test_two_processes_that_record_at_once_leave_whole_files(tmp_path: Path) -> None:
    """Of one or of the other; and whoever reads meanwhile reads whole ones."""
    environ = {"PYTHONPATH": str(HOME), "PATH": ""}
    runs = [
        subprocess.Popen([sys.executable, "-c", RECORDING, name], cwd=tmp_path, env=environ, stderr=subprocess.PIPE)
        for name in "ab"
    ]
    hashes = set[str]()
    try:
        while any(run.poll() is None for run in runs):
            hashes |= {one.config_hash for one in read(tmp_path / "fixtures", "fixtures").values()}
            time.sleep(0.002)
    finally:
        said = [run.communicate()[1] for run in runs]

    assert said == [b"", b""]
    assert [run.returncode for run in runs] == [0, 0]
    assert len(read(tmp_path / "fixtures", "fixtures")) == len([*(tmp_path / "fixtures").iterdir()]) == 3
    assert hashes == {"a", "b"}


def test_a_file_that_a_killed_run_left_behind_is_in_nobodys_way(tmp_path: Path) -> None:
    """In containers every run has the same number, so that cannot be what tells their files apart."""
    folder = Folder.at(tmp_path, "fixtures", "fixtures")
    (tmp_path / "fixtures").mkdir()
    left = tmp_path / f"fixtures/.steps[0].json.{os.getpid()}"
    left.write_text("half of")
    folder.write("steps[0].json", dump(ONE))

    assert [*read(tmp_path / "fixtures", "fixtures")] == ["steps[0]"]
    assert left.exists()


# -- those of several runs --------------------------------------------------------------------------------------------


def test_of_several_runs_the_last_that_succeeded_counts(tmp_path: Path) -> None:
    for name, response in {"": "1", "run-2": "2", "run-10": "3", "run-9": "4"}.items():
        put(tmp_path / name / "tape", replace(ONE, answer=Answer(response=response)))
    put(tmp_path / "run-11/tape", replace(ONE, answer=Answer("failed", error="no")))
    put(tmp_path / "shard-3/deep/down/tape", replace(ONE, path="steps[1]"))
    found = read_all(tmp_path, "artifacts", {ONE.config_hash})

    assert {path: one.response for path, one in found.items()} == {"steps[0]": "3", "steps[1]": "ok"}


def test_those_of_another_workflow_take_nobodys_place(tmp_path: Path) -> None:
    put(tmp_path / "tape", ONE)
    put(tmp_path / "run-2/tape", replace(ONE, config_hash="another"))
    put(tmp_path / "run-3/tape", replace(ONE, answer=Answer("failed", error="no")))
    assert read_all(tmp_path, "artifacts", {ONE.config_hash})["steps[0]"] == ONE


def test_a_directory_of_runs_may_be_called_as_a_tape(tmp_path: Path) -> None:
    put(tmp_path / "tape/tape", ONE)
    (tmp_path / "tape/results.json").write_text("{}")
    assert [*read_all(tmp_path / "tape", "tape", ())] == ["steps[0]"]


def test_a_file_of_a_run_that_is_none_is_named_with_its_directory(tmp_path: Path) -> None:
    put(tmp_path / "run-2/tape", ONE)
    (tmp_path / "run-2/tape/steps[1].json").write_text("")
    with pytest.raises(RecordingProblem, match=r"^artifacts/run-2/tape/steps\[1\]\.json is not a whole recording"):
        read_all(tmp_path, "artifacts", ())


def test_what_is_deleted_is_what_was_read(tmp_path: Path) -> None:
    other = replace(ONE, path="steps[1]")
    found = read(put(tmp_path, ONE, other), "fixtures")
    put(tmp_path, replace(other, config_hash="another run's"))
    remove(tmp_path, found, [*found, "steps[0]"])

    assert [*read(tmp_path, "fixtures")] == ["steps[1]"]
