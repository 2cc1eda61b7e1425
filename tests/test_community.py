"""What the host reads beside the workflows keeps to its rules: the marketplace, forms for issues, owners of code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
FORMS = sorted(one for one in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml") if one.name != "config.yml")

# https://docs.github.com/en/communities/using-templates-to-encourage-useful-issues-and-pull-requests
FORM_KEYS = {"name", "description", "title", "labels", "assignees", "projects", "type", "body"}
ATTRIBUTES = {
    "markdown": {"value"},
    "input": {"label", "description", "placeholder", "value"},
    "textarea": {"label", "description", "placeholder", "value", "render"},
    "dropdown": {"label", "description", "multiple", "options", "default"},
    "checkboxes": {"label", "description", "options"},
}

# https://docs.github.com/en/actions/reference/workflows-and-actions/metadata-syntax#branding
COLOURS = {"white", "black", "yellow", "blue", "green", "orange", "red", "purple", "gray-dark"}


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_the_marketplace_takes_the_action() -> None:
    action = read(ROOT / "action.yml")
    assert not (ROOT / "action.yaml").exists()
    assert {"name", "description", "author", "branding"} <= action.keys()
    assert len(action["description"]) < 125
    assert action["branding"]["color"] in COLOURS
    assert action["branding"]["icon"] == "git-merge"  # of Feather, and not among those that are left out


def test_the_other_action_has_a_name_of_its_own() -> None:
    assert read(ROOT / "action.yml")["name"] != read(ROOT / "all/action.yml")["name"]


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_a_form_has_the_shape_that_the_host_reads(path: Path) -> None:
    form = read(path)
    assert {"name", "description", "body"} <= form.keys() <= FORM_KEYS
    assert any(part["type"] != "markdown" for part in form["body"])
    for part in form["body"]:
        assert part.keys() <= {"type", "id", "attributes", "validations"}
        assert part["attributes"].keys() <= ATTRIBUTES[part["type"]]
        assert ("value" if part["type"] == "markdown" else "label") in part["attributes"]
        assert part.get("validations", {}).keys() <= {"required"}
        assert "id" not in part or re.fullmatch(r"[\w-]+", part["id"])


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_no_two_fields_of_a_form_are_called_alike(path: Path) -> None:
    fields = [part for part in read(path)["body"] if part["type"] != "markdown"]
    for names in ([part["id"] for part in fields], [part["attributes"]["label"] for part in fields]):
        assert len(names) == len({*names})


def test_who_reports_what_does_not_work_is_asked_for_version_results_and_log() -> None:
    asked = {part.get("id") for part in read(ROOT / ".github/ISSUE_TEMPLATE/bug.yml")["body"]}
    assert {"version", "results", "log"} <= asked


def test_the_list_of_forms_leads_to_pages_that_there_are() -> None:
    config = read(ROOT / ".github/ISSUE_TEMPLATE/config.yml")
    assert config.keys() == {"blank_issues_enabled", "contact_links"}
    for link in config["contact_links"]:
        assert link.keys() == {"name", "url", "about"}
        path = link["url"].removeprefix("https://github.com/org/strands-action/")
        assert path == "security/advisories/new" or (ROOT / path.removeprefix("blob/main/")).exists()


def test_what_has_owners_exists_and_all_of_it_has() -> None:
    lines = [line.split() for line in (ROOT / ".github/CODEOWNERS").read_text(encoding="utf-8").splitlines()]
    owned = {line[0]: line[1:] for line in lines if line and line[0] != "#"}
    assert next(iter(owned)) == "*"
    for path, owners in owned.items():
        assert owners
        assert all(re.fullmatch(r"@org/[\w-]+", owner) for owner in owners)
        if path != "*":
            found = ROOT / path.strip("/")
            assert path.startswith("/")
            assert found.is_dir() if path.endswith("/") else found.is_file(), path
