"""Which files of test cases are meant by names, globs, directories and workflows."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.errors import FileProblem, UsageError
from runner.testing.find import files_of_cases

CASES = "cases: [{name: a}]"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two workflows with test cases of their name, one with others, one with none."""
    for name in ("flows/sort", "flows/deep/triage", "flows/other", "flows/untested"):
        write(tmp_path, f"{name}.yaml", "")
    write(tmp_path, "flows/sort.test.yaml", CASES)
    write(tmp_path, "flows/deep/triage.test.yml", CASES)
    write(tmp_path, "flows/outages.test.yaml", f"workflow: other.yaml\n{CASES}")
    return tmp_path


def write(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)


@pytest.mark.parametrize(
    ("spec", "files"),
    [
        (["flows/sort.test.yaml"], ["flows/sort.test.yaml"]),
        (["flows/sort.yaml"], ["flows/sort.test.yaml"]),
        (["./flows/sort.yaml"], ["flows/sort.test.yaml"]),
        (["flows/other.yaml"], ["flows/outages.test.yaml"]),
        (["flows/deep/triage.yaml"], ["flows/deep/triage.test.yml"]),
        (["flows/deep"], ["flows/deep/triage.test.yml"]),
        (["flows"], ["flows/deep/triage.test.yml", "flows/outages.test.yaml", "flows/sort.test.yaml"]),
        (["flows/"], ["flows/deep/triage.test.yml", "flows/outages.test.yaml", "flows/sort.test.yaml"]),
        (["flows/*.yaml"], ["flows/outages.test.yaml", "flows/sort.test.yaml"]),
        (["**/*.test.*"], ["flows/deep/triage.test.yml", "flows/outages.test.yaml", "flows/sort.test.yaml"]),
        (["flows/s*.yaml"], ["flows/sort.test.yaml"]),
        (["flows/so?t.yaml"], ["flows/sort.test.yaml"]),
        (["flows/sort.yaml", "flows/deep", "flows/sort.test.yaml"],
         ["flows/sort.test.yaml", "flows/deep/triage.test.yml"]),
    ],
)  # fmt: skip
def test_what_is_named_stands_for_its_test_cases_each_file_once(root: Path, spec: list[str], files: list[str]) -> None:
    assert files_of_cases(spec, root) == files


def test_both_the_file_of_its_name_and_others_are_a_workflows(root: Path) -> None:
    write(root, "flows/more.test.yaml", f"workflow: ./sort.yaml\n{CASES}")
    assert files_of_cases(["flows/sort.yaml"], root) == ["flows/more.test.yaml", "flows/sort.test.yaml"]


def test_a_file_that_nobody_can_read_is_of_the_workflow_it_is_named_after(root: Path) -> None:
    write(root, "flows/sort.test.yaml", "cases: [")
    write(root, "flows/broken.test.yaml", "cases: [")
    assert files_of_cases(["flows/sort.yaml"], root) == ["flows/sort.test.yaml"]


@pytest.mark.parametrize("name", ["node_modules/x/a", "fixtures/sort/a", ".cache/a"])
def test_directories_that_nobody_keeps_workflows_in_are_passed_over(root: Path, name: str) -> None:
    write(root, f"flows/deep/{name}.test.yaml", CASES)
    assert files_of_cases(["flows/deep"], root) == ["flows/deep/triage.test.yml"]


def test_those_in_github_are_found(root: Path) -> None:
    write(root, ".github/agents/a.test.yaml", CASES)
    assert ".github/agents/a.test.yaml" in files_of_cases(["."], root)


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        (
            "flows/untested.yaml",
            (
                "there are no test cases for flows/untested.yaml: neither untested.test.yaml nor untested.test.yml is "
                "beside it, and no other *.test.yaml there says workflow: untested.yaml"
            ),
        ),
        ("flows/u*.yaml", "no file that matches 'flows/u*.yaml' is one of test cases (*.test.yaml), or has one"),
        ("x*.yaml", "no file matches 'x*.yaml'"),
        ("empty", "there is no test case (*.test.yaml, *.test.yml) below 'empty'"),
    ],
)
def test_an_entry_without_test_cases_is_an_error(root: Path, spec: str, told: str) -> None:
    (root / "empty").mkdir()
    with pytest.raises(UsageError) as raised:
        files_of_cases(["flows/sort.yaml", spec], root)
    assert raised.value.message.startswith(told)


def test_no_entry_at_all_is_an_error(root: Path) -> None:
    with pytest.raises(UsageError, match="nothing to test"):
        files_of_cases([], root)


@pytest.mark.parametrize("name", ["missing.yaml", "flows/missing.test.yaml", "a" * 300])
def test_a_file_that_is_not_there_is_a_problem_of_files(root: Path, name: str) -> None:
    with pytest.raises(FileProblem, match=f"there is no file {name}"):
        files_of_cases([name], root)
