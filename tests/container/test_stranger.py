"""That `make stranger` types what the README says, and leaves out nothing without a reason."""

from __future__ import annotations

from tests.container.job import ROOT
from tests.container.stranger import told

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_a_stranger_types_the_demo_first_and_all_that_needs_no_engine() -> None:
    typed = [line.text for line in told(README) if not line.left_out]
    assert typed[0] == "make demo"
    assert {line.split()[2] for line in typed[1:]} >= {"validate", "plan", "run"}


def test_only_the_suite_and_what_needs_an_engine_are_left_out() -> None:
    assert {line.text.split()[0] for line in told(README) if line.left_out} <= {"make", "docker"}
    assert "make test" in [line.text for line in told(README) if line.left_out]
    assert "make test" in [line.text for line in told(README, whole=True) if not line.left_out]


def test_blocks_of_other_sections_and_languages_are_not_typed() -> None:
    readme = "## One\n```sh\nrm\n```\n## Two\n```sh\n\nmake demo\nmake image\n```\n```yaml\na: 1\n```\n"
    assert [(line.text, bool(line.left_out)) for line in told(readme)] == [("make demo", False), ("make image", True)]
