"""Every target stands its seeds and what is made of them, a few here, and for as long as one likes with `make fuzz`;
and the engine tells what it finds."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.target import NAMES, Target, TooSlow, fields, in_time, joined, target

HOME = Path(__file__).parents[2]

coverage_guided = pytest.mark.skipif(
    find_spec("atheris") is None,
    reason="FUZZING WAS LEFT OUT: atheris runs on Linux on x86-64, with Python before 3.14",
)


@pytest.fixture(autouse=True)
def scratch(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path_factory.getbasetemp()))


# -- by hand ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=NAMES)
def fuzzed(request: pytest.FixtureRequest) -> Target:
    found = target(request.param)
    return replace(found, seeds=partial(list, [*found.seeds()]))


def test_every_seed_is_stood(fuzzed: Target) -> None:
    for seed in fuzzed.seeds():
        fuzzed.one(seed)


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_seed_in_which_something_was_changed_is_stood(fuzzed: Target, data: st.DataObject) -> None:
    seed = data.draw(st.sampled_from(fuzzed.seeds()))
    start = data.draw(st.integers(0, len(seed)))
    end = data.draw(st.integers(start, min(len(seed), start + 20)))
    put = data.draw(st.sampled_from(fuzzed.words).map(joined) | st.binary(max_size=5))
    fuzzed.one(seed[:start] + put + seed[end:])


# -- by coverage ------------------------------------------------------------------------------------------------------


@coverage_guided
def test_hundreds_of_inputs_to_each_target_find_nothing(tmp_path: Path) -> None:
    ended = python("-m", "tests.fuzz", "--runs", "500", "--seconds", "60", "--seed", "1", "--home", str(tmp_path))

    assert ended.returncode == 0, ended.stdout[-5000:] + ended.stderr[-2000:]
    told = re.findall(r"^(\w+): ([\d,]+) executions .* ([\d,]+) branches", ended.stdout, re.MULTILINE)
    assert [name for name, _, _ in told] == [*NAMES]
    assert all(int(count.replace(",", "")) > 300 for _, count, _ in told)
    assert all(int(branches.replace(",", "")) > 0 for _, _, branches in told), "nobody saw what the code does"


BROKEN = """
import sys
from pathlib import Path
from tests.fuzz.engine import fuzz
from tests.fuzz.target import Target

def broken(data):
    if data.startswith(b"b"):
        raise LookupError("no such thing")

def slow(data):
    while data.startswith(b"s"):
        pass

targets = {"broken": Target(broken, lambda: [b"ab"]), "slow": Target(slow, lambda: [b"as"], longest_s=0.3)}
for outcome in fuzz(targets, 20, Path(sys.argv[1]), seed=1):
    print(outcome.failed, outcome.crashes, outcome.log)
"""


@coverage_guided
def test_what_a_target_stumbles_over_is_told(tmp_path: Path) -> None:
    ended = python("-c", BROKEN, str(tmp_path))

    assert ended.returncode == 0, ended.stderr[-2000:]
    assert re.search(r"^True \(b'b.*LookupError: no such thing", ended.stdout, re.MULTILINE | re.DOTALL)
    assert re.search(r"^True \(b's.*one input takes more than 0.3 s", ended.stdout, re.MULTILINE | re.DOTALL)


def test_a_target_that_is_none_is_refused_with_those_that_there_are() -> None:
    ended = python("-m", "tests.fuzz", "specs")
    assert ended.returncode == 2
    assert "there is no target 'specs'; choose from spec, template," in ended.stderr


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=HOME,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(HOME), "PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        timeout=110,
    )


# -- what inputs are made of ------------------------------------------------------------------------------------------


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1))
def test_texts_are_read_back_from_bytes(texts: list[str]) -> None:
    assert fields(joined(*texts)) == texts


def test_what_has_no_end_is_ended() -> None:
    def forever() -> None:
        while True:
            pass

    with pytest.raises(TooSlow), in_time(0.05):
        forever()
