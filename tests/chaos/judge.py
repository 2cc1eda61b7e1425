"""What is true of a run that was disturbed: told by its results, and by what the server saw. Every complaint is a
sentence; a run that keeps what it promises has none."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from tests.chaos.storm import LATE, SILENT
from tests.chaos.workflows import SILENCE_S, USAGE
from tests.servers.faults import MARK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.chaos.storm import Asked, Storm
    from tests.chaos.workflows import Case

EXIT_CODES: Final = {"success": 0, "failed": 10, "timeout": 21}
ATTEMPTS: Final = 4
GRACE_S: Final = 4.0
"""For closing clients, on a machine that has other things to do."""

Results = dict[str, Any]


def complaints(case: Case, storm: Storm, calm: Results, results: Results, took_s: float) -> list[str]:
    """All that is wrong with a run: `results` is its results.json, `calm` that of the same run undisturbed."""
    found = [
        *_of_its_end(case, results, took_s),
        *_of_success(calm, results),
        *_of_failure(case, storm, results),
        *_of_repeats(storm),
        *_of_cost(storm, results),
    ]
    if MARK in str(results):
        found.append("a body that is no answer is repeated")
    return [f"{case.name}: {one}" for one in found]


def _of_its_end(case: Case, results: Results, took_s: float) -> Iterator[str]:
    status = results["status"]
    if status not in EXIT_CODES:
        yield f"it ended as {status}: {results['failure']}"
    elif results["exit_code"] != EXIT_CODES[status]:
        yield f"{status} with exit code {results['exit_code']}"
    if took_s > case.timeout_s + GRACE_S:
        yield f"it took {took_s:.1f} s, and was to end after {case.timeout_s:.1f}"
    if status == "timeout" and results["duration_ms"] < 1000 * case.timeout_s:
        yield f"it timed out after {results['duration_ms']} ms of {case.timeout_s:.1f} s"
    if status == "success" and results["failure"]:
        yield f"a success with a failure: {results['failure']}"
    if status == "failed" and not [one for one in results["steps"] if one["status"] == "failed"]:
        yield f"it failed, and none of its steps did: {results['failure']}"


def _of_success(calm: Results, results: Results) -> Iterator[str]:
    """An answer is the one that would have been given, in every step that has one, also where the run has not."""
    expected = {one["path"]: one for one in calm["steps"]}
    for one in results["steps"]:
        if one["status"] == "success" and _said(one) != _said(expected.get(one["path"], {})):
            yield f"{one['path']} answered {_said(one)} and not {_said(expected.get(one['path'], {}))}"
    if results["status"] == "success":
        for key in ("response", "data"):
            if results[key] != calm[key]:
                yield f"its {key} is {results[key]!r} and not {calm[key]!r}"
        if {one["path"]: one["status"] for one in results["steps"]} != {
            path: one["status"] for path, one in expected.items()
        }:
            yield "not every step has run"


def _said(step: Results) -> tuple[Any, ...]:
    return step.get("response"), step.get("data")


def _of_failure(case: Case, storm: Storm, results: Results) -> Iterator[str]:
    """A step fails for what was done to it last, and only when that was the last of its attempts."""
    latest = {asked.question.label: asked.blow for asked in storm.asked}
    struck = Counter(asked.question.label for asked in storm.asked if asked.effect != "harmless")
    left_alone = "times in a row and was not asked" in str(results["warnings"])  # then attempts fail without a request
    for one in results["steps"]:
        if one["status"] != "failed":
            continue
        said = one["error"] or ""
        if re.search(LATE, said):
            if one["duration_ms"] < 900 * case.step_s:
                yield f"{one['path']} ran out of time after {one['duration_ms']} ms: {said}"
            continue
        if re.search(SILENT, said):  # a busy machine is silent as well, and it is as true of that
            if one["duration_ms"] < 900 * SILENCE_S:
                yield f"{one['path']} was found silent after {one['duration_ms']} ms: {said}"
            continue
        if not any(blow and blow.says and re.search(blow.says, said) for blow in latest.values()):
            yield f"{one['path']} failed, and nobody did that: {said}"
        gave_up = re.search(r"gave up after (\d+) attempts", said)
        if gave_up and (int(gave_up[1]) != ATTEMPTS or (max(struck.values()) < ATTEMPTS and not left_alone)):
            yield f"{one['path']} gave up too early: {said}"
        if not gave_up and not re.search("timeout leaves no time|asks to wait|HTTP 40[01]|output_schema", said):
            yield f"{one['path']} was not asked again: {said}"


def _of_repeats(storm: Storm) -> Iterator[str]:
    """Nothing is asked again of a model that has answered it."""
    by_question: defaultdict[tuple[str, str, bool, str], list[Asked]] = defaultdict(list)
    for asked in storm.asked:
        question = asked.question
        by_question[question.label, question.digest, question.after_tool, asked.request.model].append(asked)
    for (label, *_), attempts in by_question.items():
        for earlier, again in pairwise(attempts):
            if earlier.answered_well and again.request.at - earlier.request.at < SILENCE_S:
                yield f"{label} was asked again (attempt {earlier.attempt + 1}), and had been answered"


def _of_cost(storm: Storm, results: Results) -> Iterator[str]:
    told = sum(asked.counted for asked in storm.asked) * sum(USAGE)
    if results["status"] == "success" and results["usage"]["total_tokens"] < told:
        yield f"{results['usage']['total_tokens']} tokens in the results, {told} at the server"
    if results["status"] == "success" and results["budget"]["tokens"] < told:
        yield f"{results['budget']['tokens']} tokens in the budget, {told} at the server"
