"""A session of test cases to JUnit XML, a suite for each file. Pure.

There is no one schema of it; this keeps to what the strictest in use has
(https://github.com/jenkinsci/xunit-plugin/blob/master/src/main/resources/org/jenkinsci/plugins/xunit/types/model/xsd/junit-10.xsd),
where a case has no place and no properties: a failure's text begins with the place, and a suite has the properties.
"""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET  # only written with; nothing of it reads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.report.tested import CaseResult, CaseStatus, Session

_ILLEGAL: Final = re.compile("[^\t\n\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What cannot stand in XML at all, https://www.w3.org/TR/xml/#charsets; a CR can, and no reader would give it back."""


def junit(session: Session) -> str:
    """The file's text."""
    by_file = sorted(session.cases, key=lambda case: case.file)
    root = ET.Element("testsuites", {"name": "strands-action", **_totals(session.cases)})
    for file, cases in groupby(by_file, key=lambda case: case.file):
        _suite(root, file, [*cases])
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def clean(text: str) -> str:
    """A text as XML can hold it: lines end in LF, and what may not stand in it is replaced."""
    return _ILLEGAL.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))


def _totals(cases: Sequence[CaseResult]) -> dict[str, str]:
    return {
        "tests": str(len(cases)),
        "failures": str(sum(case.status == "failed" for case in cases)),
        "errors": str(sum(case.status == "error" for case in cases)),
        "time": _seconds(sum(case.duration_ms for case in cases)),
    }


def _suite(root: ET.Element, file: str, cases: Sequence[CaseResult]) -> None:
    suite = ET.SubElement(root, "testsuite", {"name": clean(file), "file": clean(file), **_totals(cases)})
    if live := [case for case in cases if case.source == "live"]:
        properties = ET.SubElement(suite, "properties")
        for case in live:
            value = f"{case.passes}/{case.runs} ({case.pass_rate} %)" + (" flaky" if case.flaky else "")
            ET.SubElement(properties, "property", {"name": clean(f"passes: {case.name}"), "value": value})
    for case in cases:
        _case(suite, case)


def _case(suite: ET.Element, case: CaseResult) -> None:
    named = {"name": clean(case.name), "classname": clean(_class(case.file)), "time": _seconds(case.duration_ms)}
    element = ET.SubElement(suite, "testcase", named)
    if case.failures:
        first, *rest = (one.message for one in case.failures)
        told = first + (f" (and {len(rest)} more)" if rest else "")
        _problem(element, _KINDS[case.status], told, "\n".join(f"{one.at}: {one.message}" for one in case.failures))
    if case.error is not None:
        _problem(element, "error", case.error, f"{case.at}: {case.error}")


_KINDS: Final[dict[CaseStatus, str]] = {"failed": "failure", "passed": "flakyFailure", "error": "rerunFailure"}
"""What the failures of a case are: of one that passed in the end, and of one that then could not be run, too."""


def _problem(element: ET.Element, kind: str, message: str, text: str) -> None:
    """One of a kind for a case: most readers show the first and no other."""
    ET.SubElement(element, kind, {"message": clean(message), "type": kind}).text = clean(text)


def _class(file: str) -> str:
    """A file as readers group by it: they take its dots for those between packages."""
    return re.sub(r"\.test\.ya?ml$", "", file).replace("/", ".")


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds / 1000:.3f}"
