"""The pictures in README and pages: those that are shown are there, and show what a summary looks like today."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.scenes import SCENES
from docs.take_pictures import COMPARED, HOME, SHOWN, settled, terminal_page

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")])


def test_every_picture_is_shown_and_there_are_all_that_are_shown():
    shown = {
        (page.parent / name).resolve()
        for page in PAGES
        for name in re.findall(r'(?:src|srcset)="([^"]+\.png)"', page.read_text())
    }
    assert shown == set(HOME.glob("*.png"))
    expected = {
        f"{name}-{kind}-{theme}.png" for name, kinds in SHOWN.items() for kind in kinds for theme in ("light", "dark")
    }
    assert {path.name for path in shown} == expected


@pytest.mark.parametrize("name", COMPARED)
def test_a_summary_looks_as_on_its_picture(name: str, tmp_path: Path):
    told = settled(SCENES[name].summary(tmp_path))
    assert told == (HOME / f"{name}.md").read_text(), "the summary looks different now: make pictures"


def test_a_terminal_shows_what_failed_in_red(tmp_path: Path):
    page = terminal_page(SCENES["failure"].screen(tmp_path))
    assert re.search(
        r"<span class='red'>    the provider refused the credentials \(HTTP 401\): Incorrect API key", page
    )
