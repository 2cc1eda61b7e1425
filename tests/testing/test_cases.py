"""A file of test cases is read as it is meant, and what is wrong with it is told at once, with its place."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from runner.errors import FileProblem, Location, SpecError
from runner.testing.cases import Case, load, load_all, slug
from runner.testing.checks import unfailing
from runner.testing.shapes import schema_text
from tests.build import plan_of, workflow
from tests.testing.writing import FILE, cases_of, findings_of, write

WHOLE = """\
workflow: triage.yaml
cases:
  - name: an outage is a bug
    variables: {title: The site is down}
    recordings: outage
    tools: live
    hitl_response: "yes"
    expect:
      status: success
      contains: [bug, down]
      not_contains: feature
      matches: "^bug"
      equals: {response: bug, data.label: bug, 'data["odd key"]': [1]}
      json_schema: {type: object}
      steps:
        steps[1]: skipped
        triage: {status: success, contains: bug, max_tokens: 100, tools: {called: lookup}}
      tools: {called: [lookup], not_called: file_write, in_order: [lookup, grep]}
      max_tokens: 2000
      max_cost_usd: 0.05
      max_turns: 6
      max_duration_s: 10
  - name: asked for real
    live: true
    repeat: 5
    min_passes: 4
"""


def one(tmp_path: Path, text: str) -> Case:
    (case,) = cases_of(tmp_path, f"cases:\n  - {text}")
    return case


def wrong(tmp_path: Path, text: str) -> list[str]:
    """What is wrong with a file of one case, whose keys begin in line 2."""
    return findings_of(tmp_path, f"cases:\n  - {text}")


# -- what is read -----------------------------------------------------------------------------------------------------


def test_every_key_is_read(tmp_path: Path) -> None:
    outage, live = cases_of(tmp_path, WHOLE)

    assert outage.name == "an outage is a bug"
    assert outage.workflow == "triage.yaml"
    assert outage.variables == {"title": "The site is down"}
    assert (outage.recordings, outage.real_tools, outage.hitl_response) == ("outage", True, "yes")
    assert outage.expected.schemas == {None: {"type": "object"}}
    assert (live.live, live.repeat, live.min_passes) == (True, 5, 4)


def test_a_case_is_where_its_name_stands(tmp_path: Path) -> None:
    assert [str(case.at) for case in cases_of(tmp_path, WHOLE)] == [f"{FILE}:3:5", f"{FILE}:23:5"]


def test_what_is_expected_knows_its_place(tmp_path: Path) -> None:
    locate = cases_of(tmp_path, WHOLE)[0].expected.locate
    assert locate(("max_turns",)) == Location(FILE, 21, 7)
    assert locate(("steps", "triage", "contains")) == Location(FILE, 17, 35)
    assert locate(("contains", 1)) == Location(FILE, 10, 23)


def test_a_case_may_have_nothing_but_a_name(tmp_path: Path) -> None:
    case = one(tmp_path, "name: it works")
    assert case.expected.says.status == "success"
    assert (case.live, case.real_tools, case.repeat, case.min_passes) == (False, False, 1, 1)


def test_a_live_case_uses_real_tools_has_no_recordings_and_passes_every_time(tmp_path: Path) -> None:
    case = one(tmp_path, "{name: a, live: true, repeat: 3, variables: {x: 1}}")
    assert (case.real_tools, case.recordings, case.min_passes) == (True, None, 3)


# -- recordings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "recordings"),
    [
        ("name: An outage!", None),
        ("{name: An outage!, variables: {}}", None),
        ("{name: An outage!, variables: {x: 1}}", "an-outage"),
        ('{name: An outage!, hitl_response: "no"}', "an-outage"),
        ("{name: An outage!, variables: {x: 1}, recordings: Down_1.2}", "Down_1.2"),
        ("{name: An outage!, recordings: shared}", "shared"),
    ],
)
def test_a_case_that_gives_something_to_the_run_has_recordings_of_its_own(
    tmp_path: Path, text: str, recordings: str | None
) -> None:
    assert one(tmp_path, text).recordings == recordings


@pytest.mark.parametrize(
    ("name", "directory"),
    [
        ("an outage is a bug", "an-outage-is-a-bug"),
        ("  Größe: 50 % / ../..", "grosse-50"),
        ("Ça  va", "ca-va"),
        ("x" * 100, "x" * 60),
        ("停电", "case-de315176"),
        ("???", "case-a03b221c"),
    ],
)
def test_a_name_becomes_that_of_a_directory(name: str, directory: str) -> None:
    assert slug(name) == directory


@pytest.mark.parametrize("name", ["..", "../x", "a/b", ".hidden", "", "a b", "-x"])
def test_recordings_stay_below_those_of_the_workflow(tmp_path: Path, name: str) -> None:
    [told] = wrong(tmp_path, f"{{name: a, recordings: {name!r}}}")
    assert told.startswith("2:27: cases[0].recordings: ")
    assert f"'{name}' is no name of a directory" in told


def test_cases_that_would_write_over_each_others_recordings_are_refused(tmp_path: Path) -> None:
    found = findings_of(tmp_path, "cases:\n  - {name: a b, variables: {x: 1}}\n  - {name: A-b, variables: {x: 2}}\n")
    assert found == [
        (
            "3:6: case 'A-b' has the recordings 'a-b' as 'a b' (triage.test.yaml:2:6) has, and gives other values; "
            "name its own with the key 'recordings'"
        )
    ]


def test_cases_that_ask_the_same_may_share_recordings(tmp_path: Path) -> None:
    shared = "variables: {x: 1}, recordings: r"
    assert len(cases_of(tmp_path, f"cases:\n  - {{name: a, {shared}}}\n  - {{name: b, {shared}}}\n")) == 2


def test_a_live_case_shares_no_recordings_with_anybody(tmp_path: Path) -> None:
    text = "cases:\n  - {name: a}\n  - {name: b, live: true, variables: {x: 1}}\n"
    assert [case.recordings for case in cases_of(tmp_path, text)] == [None, None]


def test_files_for_one_workflow_do_not_share_recordings_by_accident(tmp_path: Path) -> None:
    cases_of(tmp_path, "cases: [{name: a, variables: {x: 1}}]")
    other = write(tmp_path, "more.test.yaml", "workflow: triage.yaml\ncases: [{name: a, variables: {x: 2}}]")
    with pytest.raises(SpecError, match=r"has the recordings 'a' as 'a' \(triage\.test\.yaml:1:10\)"):
        load_all([FILE, other], tmp_path)


# -- which workflow ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["yaml", "yml"])
@pytest.mark.parametrize("test_ending", ["yaml", "yml"])
def test_the_workflow_is_the_file_of_the_same_name(tmp_path: Path, ending: str, test_ending: str) -> None:
    write(tmp_path, f"flows/sort.{ending}", "")
    name = write(tmp_path, f"flows/sort.test.{test_ending}", "cases: [{name: a}]")
    assert load(name, tmp_path)[0].workflow == f"flows/sort.{ending}"


@pytest.mark.parametrize("workflow", ["flows/sort.yaml", "..flows/sort.yaml"])
def test_a_workflow_is_named_from_where_its_tests_stand(tmp_path: Path, workflow: str) -> None:
    write(tmp_path, workflow, "")
    name = write(tmp_path, "tests/sort.test.yaml", f"workflow: ../{workflow}\ncases: [{{name: a}}]")
    assert load(name, tmp_path)[0].workflow == workflow


def test_tests_without_a_workflow_say_what_was_looked_for(tmp_path: Path) -> None:
    assert findings_of(tmp_path, "cases: [{name: a}]", "triaje.test.yaml") == [
        "no workflow is beside it: there is neither triaje.yaml nor triaje.yml; say which with the key 'workflow'"
    ]


def test_a_workflow_that_is_not_there_is_named_with_the_nearest(tmp_path: Path) -> None:
    assert findings_of(tmp_path, "workflow: triaje.yaml\ncases: [{name: a}]") == [
        "1:11: workflow 'triaje.yaml' is not there: there is no file triaje.yaml; did you mean 'triage.yaml'?"
    ]


@pytest.mark.parametrize("name", [f"{'a' * 300}.yaml", f"{'a' * 300}/triage.yaml"])
def test_a_name_that_no_file_can_have_is_of_none(tmp_path: Path, name: str) -> None:
    [told] = findings_of(tmp_path, f"workflow: {name}\ncases: [{{name: a}}]")
    assert f"there is no file {name}" in told


@pytest.mark.parametrize("name", ["../triage.yaml", "/etc/passwd", "a/../../triage.yaml"])
def test_a_workflow_is_inside_the_workspace(tmp_path: Path, name: str) -> None:
    [told] = findings_of(tmp_path, f"workflow: {name}\ncases: [{{name: a}}]")
    assert told == f"1:11: workflow '{name}' lies outside the workspace"


# -- what is wrong ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nam: a", ["2:5: unknown key 'nam'; did you mean 'name'?"]),
        ("expect: {status: success}", ["2:5: cases[0] needs the key 'name'"]),
        ("{name: a, variabels: {}}", ["2:15: unknown key 'variabels'; did you mean 'variables'?"]),
        ("{name: a, expect: {contain: x}}", ["2:24: unknown key 'contain'; did you mean 'contains'?"]),
        (
            "{name: a, expect: {steps: {b: {contians: x}}}}",
            ["2:36: unknown key 'contians'; did you mean 'contains'?"],
        ),
        ("{name: a, expect: {tools: {caled: x}}}", ["2:32: unknown key 'caled'; did you mean 'called'?"]),
        ("{name: a, expect: {contains: 3}}", ["2:34: cases[0].expect.contains: 3 should be a valid string"]),
        (
            "{name: a, expect: {contains: [x, 3]}}",
            ["2:38: cases[0].expect.contains[1]: 3 should be a valid string"],
        ),
        (
            "{name: a, expect: {status: sucess}}",
            [
                ("2:32: cases[0].expect.status: 'sucess' is not one of: "
                "success, failed, budget, timeout, paused or skipped")
            ],
        ),
        (
            "{name: a, expect: {steps: {b: done}}}",
            ["2:35: cases[0].expect.steps.b: 'done' is not one of: success, failed, cancelled or skipped"],
        ),
        ("{name: a, tools: real}", ["2:22: cases[0].tools: 'real' is not one of: recorded or live"]),
        ("{name: a, live: true, repeat: 0}", ["2:35: cases[0].repeat: 0 should be greater than or equal to 1"]),
        ("{name: a, live: 'true'}", ["2:21: cases[0].live: 'true' should be a valid boolean"]),
        ("{name: ''}", ["2:12: cases[0].name: '' should have at least 1 character"]),
        ("{name: a, nmae: b, expect: {max_token: 1}}", [
            "2:15: unknown key 'nmae'; did you mean 'name'?",
            "2:33: unknown key 'max_token'; did you mean 'max_tokens'?",
        ]),
    ],
)  # fmt: skip
def test_what_is_misspelled_is_told_with_what_is_meant(tmp_path: Path, text: str, told: list[str]) -> None:
    assert wrong(tmp_path, text) == told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "the file is empty; a file of test cases needs cases, each with a name"),
        ("[]", "1:1: a file of test cases needs cases, each with a name; it is a mapping, not a list"),
        ("workflow: triage.yaml", "1:1: the file needs the key 'cases'"),
        ("cases: []", "1:8: cases: a list should have at least 1 item, not 0"),
        ("case: [{name: a}]", "1:1: unknown key 'case'; did you mean 'cases'?"),
        ("cases: [{name: a}", "2:1: not valid YAML"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str, told: str) -> None:
    assert [one[: len(told)] for one in findings_of(tmp_path, text)] == [told]


def test_a_file_that_is_not_there_is_a_problem_of_files(tmp_path: Path) -> None:
    with pytest.raises(FileProblem, match=r"there is no file missing\.test\.yaml"):
        load("missing.test.yaml", tmp_path)


def test_names_are_unique(tmp_path: Path) -> None:
    assert findings_of(tmp_path, "cases:\n  - name: a\n  - name: b\n  - name: a\n") == [
        "4:11: case 'a' stands here again; it was first written in line 2"
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{name: a, repeat: 2}", "2:23: 'repeat' is for cases with live: true; a recording says the same every time"),
        ("{name: a, min_passes: 1}", "2:27: 'min_passes' is for cases with live: true"),
        ("{name: a, live: true, repeat: 2, min_passes: 3}", "2:50: min_passes: 3 of 2 runs cannot pass"),
        ("{name: a, live: true, recordings: r}", "2:39: 'recordings' is not for cases with live: true"),
        ("{name: a, live: true, tools: recorded}", "2:34: 'tools' is not for cases with live: true"),
        ("{name: a, expect: {contains: abc, not_contains: b}}", "2:34: 'abc' is expected and has in it what"),
        (
            "{name: a, expect: {tools: {called: t, not_called: t}}}",
            "2:55: tool 't' is expected to be called as well",
        ),
        (
            "{name: a, expect: {tools: {in_order: [s, t], not_called: [u, t]}}}",
            "2:62: tool 't' is expected to be called as well",
        ),
        ("{name: a, expect: {steps: {b: {status: skipped, contains: x}}}}", "2:35: a step that is skipped has no"),
        ("{name: a, expect: {matches: 'a('}}", "2:33: 'a(' is not a regular expression: "),
        ("{name: a, expect: {equals: {data..x: 1}}}", "2:42: 'data..x' is no path like data.labels[0] from character"),
        ("{name: a, expect: {json_schema: {type: strin}}}", "2:37: json_schema is not a valid JSON Schema: "),
        ("{name: a, expect: {json_schema: no.json}}", "2:37: json_schema 'no.json' cannot be read: "),
        ("{name: a, expect: {steps: {b: {json_schema: no.json}}}}", "2:49: json_schema 'no.json' cannot be read: "),
    ],
)
def test_what_cannot_be_met_is_refused(tmp_path: Path, text: str, told: str) -> None:
    assert [one[: len(told)] for one in wrong(tmp_path, text)] == [told]


@pytest.mark.parametrize(
    ("expect", "told"),
    [
        ("{}", "2:23: 'expect' is empty"),
        ("{contains: ''}", "2:34: cases[0].expect.contains: '' should have at least 1 character"),
        ("{contains: []}", "2:34: cases[0].expect.contains: a list should have at least 1 item, not 0"),
        ("{equals: {}}", "2:32: cases[0].expect.equals: a mapping should have at least 1 item, not 0"),
        ("{steps: {}}", "2:31: cases[0].expect.steps: a mapping should have at least 1 item, not 0"),
        ("{steps: {b: {}}}", "2:35: nothing is expected of this step"),
        ("{tools: {}}", "2:31: nothing is expected of the tools"),
        ("{tools: {called: []}}", "2:40: cases[0].expect.tools.called: a list should have at least 1 item, not 0"),
        ("{matches: '.*'}", "2:33: '.*' is found in any text, so this could not fail"),
        ("{matches: 'x?'}", "2:33: 'x?' is found in any text"),
        ("{max_duration_s: 9}", "2:40: 'max_duration_s' is for what is live"),
    ],
)
def test_what_could_never_fail_is_refused(tmp_path: Path, expect: str, told: str) -> None:
    assert [one[: len(told)] for one in wrong(tmp_path, f"{{name: a, expect: {expect}}}")] == [told]


@pytest.mark.parametrize("pattern", [".+", "^$", "bug|feature", "(?i)BUG", "(?s)^.{1,80}$"])
def test_a_pattern_that_can_fail_is_taken(tmp_path: Path, pattern: str) -> None:
    assert wrong(tmp_path, f"{{name: a, expect: {{matches: {json.dumps(pattern)}}}}}") == []


@pytest.mark.parametrize("case", ["live: true", "tools: live"])
def test_what_takes_time_may_be_held_to_one(tmp_path: Path, case: str) -> None:
    assert wrong(tmp_path, f"{{name: a, {case}, expect: {{max_duration_s: 9}}}}") == []


def test_all_that_is_wrong_in_several_files_is_told_at_once(tmp_path: Path) -> None:
    names = [write(tmp_path, f"{name}.test.yaml", "cases: [{name: a, x: 1}]") for name in ("one", "two")]
    with pytest.raises(SpecError) as raised:
        load_all(names, tmp_path)
    assert [finding.at.file for finding in raised.value.findings] == names


# -- schemas ----------------------------------------------------------------------------------------------------------


def test_a_schema_in_a_file_is_read_from_where_the_tests_stand(tmp_path: Path) -> None:
    write(tmp_path, "label.json", '{"required": ["label"]}')
    expect = "{json_schema: label.json, steps: {b: {json_schema: label.json}}}"
    case = one(tmp_path, f"{{name: a, expect: {expect}}}")
    assert case.expected.schemas == {None: {"required": ["label"]}, "b": {"required": ["label"]}}


def test_the_schema_for_editors_takes_what_the_loader_takes() -> None:
    schema = json.loads(schema_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load(WHOLE), schema)


@pytest.mark.parametrize("text", ["cases: []", "cases: [{nam: a}]", "cases: [{name: a, expect: {contains: 3}}]"])
def test_the_schema_for_editors_refuses_what_the_loader_refuses(text: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(text), json.loads(schema_text()))


# -- what only the plan tells -----------------------------------------------------------------------------------------

PLANNED = plan_of(
    workflow(
        tools={"http_executors": [{"id": "issues.api", "base_url": "https://issues.test"}]},
        agents={"writer": {"tools": ["grep", "issues.api"]}},
    )
)


@pytest.mark.parametrize("name", ["grep", "issues_api"])
def test_a_tool_that_an_agent_has_may_be_forbidden(tmp_path: Path, name: str) -> None:
    case = one(tmp_path, f"{{name: a, expect: {{tools: {{not_called: {name}}}}}}}")
    assert [*unfailing(case, PLANNED)] == []


@pytest.mark.parametrize(
    ("expect", "at"),
    [("tools: {not_called: [grep, grap]}", "2:32"), ("steps: {b: {tools: {not_called: grap}}}", "2:44")],
)
def test_forbidding_a_tool_that_nobody_has_is_told(tmp_path: Path, expect: str, at: str) -> None:
    case = one(tmp_path, f"{{name: a, expect: {{{expect}}}}}")
    told = "no agent has a tool 'grap', so this could not fail; did you mean 'grep'?"
    assert [str(finding) for finding in unfailing(case, PLANNED)] == [f"{FILE}:{at}: {told}"]


def test_which_tools_a_server_has_is_not_known(tmp_path: Path) -> None:
    server = {"mcp": [{"id": "s", "url": "https://tools.test/mcp"}]}
    plan = plan_of(workflow(tools=server, agents={"writer": {"tools": ["s"]}}))
    assert [*unfailing(one(tmp_path, "{name: a, expect: {tools: {not_called: x}}}"), plan)] == []
