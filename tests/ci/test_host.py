"""The CI host: written to where it asks, and nothing is said where there is none."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from runner.ci.commands import MAX_MESSAGE
from runner.ci.host import Host
from runner.ci.voice import Voice
from runner.errors import FileProblem, Finding, Location
from tests.container.runner_parser import parse_file_command, parse_log

FINDING = Finding("bad", Location("w.yaml", 1, 1))


def host(environ: dict[str, str], tmp_path: Path) -> tuple[Host, io.StringIO]:
    log = io.StringIO()
    return Host(environ, tmp_path, Voice(log)), log


def everything(one: Host) -> None:
    one.write_outputs({"status": "success"})
    one.write_summary("text")
    one.annotate([FINDING], "t")
    one.group("title")
    one.end_group()


def test_without_a_host_nothing_is_said_or_written(tmp_path: Path) -> None:
    one, log = host({}, tmp_path)
    everything(one)
    assert (one.present, one.debugging, one.workspace) == (False, False, tmp_path)
    assert log.getvalue() == ""
    assert list(tmp_path.iterdir()) == []


def test_a_host_is_told_everything(tmp_path: Path) -> None:
    output, summary = tmp_path / "output", tmp_path / "summary"
    one, log = host(
        {"GITHUB_ACTIONS": "true", "GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(summary)}, tmp_path
    )
    everything(one)
    assert parse_file_command(output.read_text()) == {"status": "success"}
    assert summary.read_text() == "text"
    assert [found.name for found in parse_log(log.getvalue())] == ["error", "group", "endgroup"]


def test_what_others_wrote_is_kept_and_a_later_value_wins(tmp_path: Path) -> None:
    output = tmp_path / "output"
    output.write_text("other=1\nstatus=running\n")
    one, _ = host({"GITHUB_OUTPUT": str(output)}, tmp_path)
    one.write_outputs({"status": "failed"})
    one.write_outputs({"status": "success"})
    assert parse_file_command(output.read_text()) == {"other": "1", "status": "success"}


def test_a_host_that_writes_no_files_is_a_host(tmp_path: Path) -> None:
    one, log = host({"GITHUB_ACTIONS": "true", "GITHUB_OUTPUT": "", "GITHUB_STEP_SUMMARY": ""}, tmp_path)
    everything(one)
    assert "::error" in log.getvalue()


@pytest.mark.parametrize("variable", ["GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"])
def test_a_file_that_cannot_be_written_is_told(tmp_path: Path, variable: str) -> None:
    one, _ = host({variable: str(tmp_path)}, tmp_path)
    with pytest.raises(FileProblem, match=f"{variable} cannot be written: Is a directory"):
        everything(one)


def test_the_host_says_where_the_workspace_is_and_whether_to_tell_more(tmp_path: Path) -> None:
    one, _ = host({"GITHUB_WORKSPACE": "/somewhere", "RUNNER_DEBUG": "1"}, tmp_path)
    assert (one.workspace, one.debugging) == (Path("/somewhere"), True)


def test_half_a_surrogate_pair_does_not_end_the_run(tmp_path: Path) -> None:
    output, summary = tmp_path / "output", tmp_path / "summary"
    one, _ = host({"GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(summary)}, tmp_path)
    one.write_outputs({"response": "a\ud83d"})
    one.write_summary("b\ud83d")
    assert parse_file_command(output.read_text()) == {"response": "a?"}
    assert summary.read_text() == "b?"


def test_a_secret_is_taken_out_of_a_message_before_that_is_cut(tmp_path: Path) -> None:
    log = io.StringIO()
    one = Host({"GITHUB_ACTIONS": "true"}, tmp_path, Voice(log), lambda text: text.replace("hunter22", "***"))
    one.annotate([Finding("a" * (MAX_MESSAGE - 4) + "hunter22", Location(""))], "t")
    assert log.getvalue().endswith("a***\n")


def test_secrets_are_taken_out_of_whatever_is_said_or_written(tmp_path: Path) -> None:
    output, summary, log = tmp_path / "output", tmp_path / "summary", io.StringIO()
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(summary)}
    one = Host(environ, tmp_path, Voice(log), lambda text: text.replace("hunter22", "***"))
    one.write_outputs({"response": "it is hunter22"})
    one.write_summary("it is hunter22")
    one.annotate([Finding("it is hunter22", Location(""))], "t")
    one.group("hunter22")
    said = output.read_text() + summary.read_text() + log.getvalue()
    assert "hunter22" not in said
    assert said.count("***") == 4
