"""Where a comment may stand: on lines of hunks, and what is nearest to others."""

from __future__ import annotations

import pytest

from runner.diff.change import Change, Side
from runner.diff.places import Places, fingerprint
from runner.diff.read import file_of_host

PATCH = "@@ -10,3 +10,3 @@\n ten\n-was eleven\n+eleven\n twelve\n@@ -50,2 +50,3 @@\n fifty\n+more\n last"


@pytest.fixture
def places() -> Places:
    gone = file_of_host({"filename": "gone", "status": "removed", "patch": "@@ -1,2 +0,0 @@\n-a\n-b"})
    return Places(
        Change((file_of_host({"filename": "f", "patch": PATCH}), gone, file_of_host({"filename": "picture"})))
    )


@pytest.mark.parametrize(
    ("line", "side", "place"),
    [
        (10, "new", (10, "new", "ten", 0)),
        (11, "new", (11, "new", "eleven", 0)),
        (11, "old", (11, "old", "was eleven", 0)),
        (12, "old", (12, "new", "twelve", 0)),
        (51, "old", (52, "new", "last", 1)),
        (52, "new", (52, "new", "last", 1)),
        (52, "old", None),
        (9, "new", None),
        (0, "new", None),
        (-1, "new", None),
    ],
)
def test_a_line_of_a_hunk_is_a_place(places: Places, line: int, side: Side, place: tuple[object, ...] | None) -> None:
    found = places.at("f", line, side)
    assert (found and (found.line, found.side, found.text, found.hunk)) == place


@pytest.mark.parametrize(
    ("line", "within", "nearest"),
    [
        (1, None, 10),
        (11, 0, 11),
        (15, 3, 12),
        (15, 2, None),
        (31, None, 12),
        (32, None, 50),
        (10**12, None, 52),
        (-5, 9, None),
    ],
)
def test_the_nearest_place_is_found_the_upper_of_two(
    places: Places, line: int, within: int | None, nearest: int | None
) -> None:
    found = places.nearest("f", line, within=within)
    assert (found.line if found else None) == nearest


def test_a_file_that_is_gone_has_places_on_the_old_side_only(places: Places) -> None:
    assert places.nearest("gone", 1) is None
    found = places.nearest("gone", 9, "old")
    assert found
    assert (found.line, found.side) == (2, "old")


def test_a_file_without_lines_is_known_and_has_no_place(places: Places) -> None:
    assert places.file("picture")
    assert places.nearest("picture", 1) is None
    assert places.last("picture", "new") == 0
    assert places.file("other") is places.at("other", 1) is places.nearest("other", 1) is None


@pytest.mark.parametrize(("path", "side", "last"), [("f", "new", 52), ("f", "old", 51), ("other", "new", 0)])
def test_the_last_line_of_the_diff_is_known_on_each_side(places: Places, path: str, side: Side, last: int) -> None:
    assert places.last(path, side) == last


def test_a_fingerprint_stays_where_a_line_moves_and_tells_places_apart() -> None:
    told = [
        fingerprint("a", "x = 1"),
        fingerprint("a", "x = 2"),
        fingerprint("b", "x = 1"),
        fingerprint("a"),
        fingerprint("a", ""),
    ]
    assert len(set(told)) == len(told)
    assert fingerprint("a", "\tx = 1\r") == told[0]
    assert {len(one) for one in told} == {16}
    assert fingerprint("\ud800", "\ud800")
