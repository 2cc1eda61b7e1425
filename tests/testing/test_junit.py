"""JUnit XML that every reader takes: what the schema of the strictest allows, whatever stands in names and answers."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.errors import Location
from runner.report.junit import clean, junit
from runner.report.tested import CaseResult, Session
from tests.testing.writing import FILE, failed, result

# What junit-10.xsd of Jenkins' xunit plugin allows: for each element its attributes (those that it must have first) and
# the elements in it. https://github.com/jenkinsci/xunit-plugin, src/main/resources/…/model/xsd/junit-10.xsd
COUNTS = {"tests", "failures", "errors"}
ALLOWED: dict[str, tuple[set[str], set[str], set[str]]] = {
    "testsuites": (set(), {"name", "time", *COUNTS}, {"testsuite"}),
    "testsuite": (
        {"name", *COUNTS},
        {"group", "time", "skipped", "timestamp", "hostname", "id", "package", "file", "log", "url"},
        {"properties", "testcase", "system-out", "system-err"},
    ),
    "testcase": (
        {"name"},
        {"time", "classname", "group"},
        {"skipped", "error", "failure", "rerunFailure", "rerunError", "flakyFailure", "flakyError", "system-out"},
    ),
    "properties": (set(), set(), {"property"}),
    "property": ({"name", "value"}, set(), set()),
    "failure": (set(), {"type", "message"}, set()),
    "error": (set(), {"type", "message"}, set()),
    "flakyFailure": ({"type"}, {"message"}, {"stackTrace", "system-out", "system-err"}),
    "rerunFailure": ({"type"}, {"message"}, {"stackTrace", "system-out", "system-err"}),
}


def valid(element: ET.Element) -> bool:
    needed, optional, inside = ALLOWED[element.tag]
    assert needed <= {*element.attrib} <= needed | optional, element.tag
    assert {child.tag for child in element} <= inside
    if "time" in element.attrib and element.tag != "testcase":
        assert re.fullmatch(r"[0-9]*\.[0-9]{3}", element.attrib["time"])
    return all(valid(child) for child in element)


def read(*cases: CaseResult) -> ET.Element:
    root = ET.fromstring(junit(Session(cases)))
    assert valid(root)
    return root


FLAKY = result("flaky", source="live", passes=4, runs=5, status="passed", failures=(failed(run=2),))
STALE = result("stale", error="the recording is stale", exit_code=14)


def test_there_is_a_suite_for_each_file_with_its_counts() -> None:
    root = read(
        result("a"),
        result("b", failures=(failed(),)),
        result("c", file="flows/other.test.yml"),
        STALE,
    )
    counts = [{key: one.attrib[key] for key in ("name", "tests", "failures", "errors", "time")} for one in root]
    assert counts == [
        {"name": "flows/other.test.yml", "tests": "1", "failures": "0", "errors": "0", "time": "0.040"},
        {"name": FILE, "tests": "3", "failures": "1", "errors": "1", "time": "0.120"},
    ]
    assert [root.attrib[key] for key in ("tests", "failures", "errors")] == ["4", "1", "1"]


@pytest.mark.parametrize(
    ("file", "name"),
    [("triage.test.yaml", "triage"), ("flows/v1.2/triage.test.yml", "flows.v1.2.triage")],
)
def test_a_case_is_in_a_class_of_the_files_name(file: str, name: str) -> None:
    [case] = read(result("a case", file=file)).iter("testcase")
    assert case.attrib == {"name": "a case", "classname": name, "time": "0.040"}
    assert len(case) == 0


def test_a_failure_has_all_that_failed_with_its_places() -> None:
    [failure] = read(result(failures=(failed(), failed("status", at=Location(FILE, 9, 1))))).iter("failure")
    assert failure.attrib["message"] == "response should contain 'bug', but is 'a feature' (and 1 more)"
    assert failure.text == (
        "triage.test.yaml:7:9: response should contain 'bug', but is 'a feature'\n"
        "triage.test.yaml:9:1: status should contain 'bug', but is 'a feature'"
    )


def test_an_error_is_told_with_the_place_of_its_case() -> None:
    [error] = read(STALE).iter("error")
    assert error.attrib["message"] == "the recording is stale"
    assert error.text == "triage.test.yaml:3:5: the recording is stale"


def test_a_flaky_case_passed_and_says_how_often() -> None:
    root = read(FLAKY, result("steady", source="live", passes=5, runs=5), result("recorded"))
    assert [root[0].attrib[key] for key in ("failures", "errors")] == ["0", "0"]
    assert [one.attrib for one in root.iter("property")] == [
        {"name": "passes: flaky", "value": "4/5 (80 %) flaky"},
        {"name": "passes: steady", "value": "5/5 (100 %)"},
    ]
    assert [one.attrib["message"].split(":")[0] for one in root.iter("flakyFailure")] == ["run 2"]


def test_a_case_that_failed_and_then_could_not_be_run_is_an_error() -> None:
    case = result(source="live", failures=(failed(run=1),), error="no key", status="error", runs=2)
    [element] = read(case).iter("testcase")
    assert [child.tag for child in element] == ["rerunFailure", "error"]


HOSTILE = ["\x00", "\x1b[31m", "]]>", "<failure/>", '"', "&amp;", "\ud800", "\ufffe", "\r\n", "\t", "\x85", "😀"]


@given(st.lists(st.text() | st.sampled_from(HOSTILE), min_size=4, max_size=4))
@settings(max_examples=200, deadline=None)
def test_whatever_stands_in_names_and_answers_is_read_back(texts: list[str]) -> None:
    name, actual, error, file = texts
    root = read(result(f"x{name}", file=f"y{file}", failures=(failed(actual=actual),), error=error, status="error"))
    [case] = root.iter("testcase")
    assert case.attrib["name"] == clean(f"x{name}")
    assert root[0].attrib["name"] == clean(f"y{file}")
    assert (case[0].text or "").endswith(clean(f"but {actual}"))
    assert case[1].attrib["message"] == clean(error)


@given(st.text() | st.sampled_from(HOSTILE))
@settings(max_examples=200, deadline=None)
def test_only_what_xml_cannot_hold_is_replaced(text: str) -> None:
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    for one, kept in zip(lines, clean(text), strict=True):
        assert kept == (
            "\ufffd" if (one < " " and one not in "\t\n") or one in SURROGATES or one in "\ufffe\uffff" else one
        )


SURROGATES = [chr(number) for number in range(0xD800, 0xE000)]
