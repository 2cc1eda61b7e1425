"""The command that a message tells, as a shell reads it back."""

from __future__ import annotations

import subprocess

import pytest

from runner.inputs import from_strings
from runner.tapes import record_command

TEXTS = ("a b", 'title: it\'s\nbody: "größe" $x `y` \\n\n\tend', "'\n'", "\\\n", "\x1b[0m")


@pytest.mark.parametrize("text", TEXTS)
def test_a_shell_reads_what_was_given(text: str) -> None:
    told = record_command(from_strings({"prompt": text, "mode": "replay", "host": "http://localhost/v1"}))
    assert told.isprintable()
    read = subprocess.run(["bash", "-c", f"printf '%s\\0' {told}"], capture_output=True, check=True).stdout.decode()
    assert read.split("\0")[:-1] == [
        *("strands-action", "run", "--mode", "record", "--prompt", text, "--host", "http://localhost/v1")
    ]


def test_what_asked_for_everything_anew_does_so_again() -> None:
    assert record_command(from_strings({"spec": "a.yaml", "mode": "record", "record": "all"})) == (
        "strands-action run a.yaml --mode record --record all"
    )
