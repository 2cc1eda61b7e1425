"""The benchmarks run, and count what they say they count."""

from __future__ import annotations

import pytest

from benchmarks.bench import run, taped


@pytest.mark.parametrize(("wide", "in_flight"), [(True, 2), (False, 1)])
def test_a_measured_run_tells_what_was_counted(wide: bool, in_flight: int) -> None:
    seconds, told = run(4, 2, wide=wide)
    assert seconds >= 4 * 0.05 / in_flight
    assert told.startswith(f"1 build, 1 client, {in_flight} connections, {in_flight} in flight, ")


def test_a_provider_that_throttles_is_measured_with_what_it_refused() -> None:
    _, told = run(6, 4, wide=True, served=2)
    assert told.endswith(" refused")


@pytest.mark.parametrize("what", ["replay", "record"])
def test_recordings_are_measured_beside_their_floor(what: str) -> None:
    found = taped(3, what)
    assert found["seconds"] > 0 < found["floor_s"]
    assert what == "record" or found["run_s"] <= found["seconds"]
