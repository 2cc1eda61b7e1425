"""The fixture and the option, in projects of their own that pytest runs in this process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runner.inputs import ActionInputs
from runner.testing import fixture, plugin
from runner.testing.harness import Harness
from tests.build import NOON, as_text, chain, workflow
from tests.servers import Answer, OpenAIServer, Request

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]
KEY = "sk-not-for-anybody"
TRIAGE = workflow(
    name="triage",
    agents={"writer": {"prompt": "You sort."}},
    pattern=chain({"id": "kind", "input": "What is {{ title }}?"}),
    inputs={"optional": {"title": {"type": "string", "default": "this"}}},
)
ONE = """
    def test_one(workflow):
        assert workflow("triage.yaml").steps["kind"].response == "ok"
"""


class Project:
    """A directory with a workflow, tests, and a server that answers them."""

    def __init__(self, pytester: pytest.Pytester, server: OpenAIServer) -> None:
        self.pytester, self.server = pytester, server
        pytester.makeini("[pytest]")
        self.flow(TRIAGE)

    def flow(self, content: dict[str, Any], name: str = "triage.yaml") -> None:
        runtime = {**content["runtime"], "host": self.server.url}
        path = self.pytester.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(as_text({**content, "runtime": runtime}))

    def run(self, *options: str, **tests: str) -> pytest.RunResult:
        """Run the tests given, or those that are there."""
        if tests:
            self.pytester.makepyfile(**tests)
        return self.pytester.runpytest_inprocess("-p", "no:cacheprovider", *options, plugins=[plugin])

    @property
    def recordings(self) -> list[str]:
        base = self.pytester.path
        return sorted(str(path.relative_to(base)) for path in base.rglob("fixtures/**/*.json"))


@pytest.fixture(scope="module", autouse=True)
def loaded(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Import all that a run takes: each pytest in here forgets what it has imported itself."""
    assert fixture
    root = tmp_path_factory.mktemp("loaded")
    (root / "triage.yaml").write_text(
        as_text({**TRIAGE, "agents": {"writer": {"prompt": "x", "tools": ["file_read"]}}})
    )
    with OpenAIServer() as server:
        inputs = ActionInputs(("triage.yaml",), host=server.url, mode="record")
        assert Harness(root, {}, lambda: NOON).run(inputs).report.status == "success"


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    with OpenAIServer() as server:
        yield Project(pytester, server)


# -- none -------------------------------------------------------------------------------------------------------------


def test_without_the_option_no_model_is_reached_whatever_key_there_is(project: Project):
    result = project.run(test_it=ONE)

    result.assert_outcomes(failed=1)
    assert project.server.connections == 0
    again = "pytest --record=changed test_it.py::test_one"
    result.stdout.fnmatch_lines(
        [
            f"E *RecordingProblem: there are no recordings in fixtures/triage; to record them: {again}",
            "*= workflow recordings =*",
            "1 test without the right recordings; to record them, with the keys of the models:",
            f"  {again}",
        ]
    )
    result.stdout.no_fnmatch_line("*harness.py*")
    result.stdout.no_fnmatch_line(f"*{KEY}*")


def test_what_was_recorded_is_replayed_and_there_is_nothing_to_tell(project: Project):
    project.run("--record=changed", test_it=ONE).assert_outcomes(passed=1)
    asked = len(project.server.requests)
    result = project.run()

    result.assert_outcomes(passed=1)
    assert len(project.server.requests) == asked == 1
    result.stdout.no_fnmatch_line("*workflow recordings*")


def test_a_stale_recording_is_told_by_field_and_place(project: Project):
    project.run("--record=changed", test_it=ONE)
    project.flow({**TRIAGE, "agents": {"writer": {"prompt": "You guess."}}})
    result = project.run()

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(['E *prompt: "You sort." → "You guess."; *', "E *at triage.yaml:*"])
    assert len(project.server.requests) == 1


def test_a_file_with_several_mistakes_is_told_with_all_of_them(project: Project):
    project.flow({**TRIAGE, "agents": {"writer": {"promt": "x", "tols": []}}})
    result = project.run(test_it=ONE)
    result.stdout.fnmatch_lines(["E *triage.yaml:*promt*", "E *triage.yaml:*tols*"])


# -- recording --------------------------------------------------------------------------------------------------------


def test_changed_asks_what_has_changed_and_all_asks_everything(project: Project):
    two = {**TRIAGE, "pattern": chain({"id": "kind", "input": "one"}, "two")}
    project.flow(two)
    project.run("--record=changed", test_it=ONE)
    project.flow({**TRIAGE, "pattern": chain({"id": "kind", "input": "one"}, "three")})
    result = project.run("--record=changed")

    result.stdout.fnmatch_lines(["recorded, to be reviewed and committed:", "  fixtures/triage: 2 unchanged"])
    assert [request.user_texts[-1] for request in project.server.requests] == ["one", "two", "three"]
    project.run("--record=all")
    assert len(project.server.requests) == 5

    with OpenAIServer("another answer") as project.server:
        project.flow({**TRIAGE, "pattern": chain({"id": "kind", "input": "one"})})
        result = project.run("--record=all")
    result.stdout.fnmatch_lines(["  fixtures/triage: 1 removed, 1 changed"])


def test_to_record_a_key_is_needed(project: Project, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    (project.pytester.path / "triage.yaml").write_text(as_text(TRIAGE))
    result = project.run("--record=changed", test_it=ONE)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *UsageError: provider 'openai' needs a key*", "E *at triage.yaml:*"])
    assert project.recordings == []


def test_ctrl_c_ends_pytest_and_is_no_answer(project: Project):
    def interrupting(_: Request) -> Answer:
        os.kill(os.getpid(), signal.SIGINT)
        return Answer(delay=5)

    with OpenAIServer(interrupting) as project.server:
        project.flow(TRIAGE)
        with pytest.raises(KeyboardInterrupt):
            project.run("--record=changed", test_it=ONE)
    assert project.recordings == []


def test_a_run_that_fails_is_a_report_and_why_is_shown(project: Project):
    with OpenAIServer(Answer(status=401)) as project.server:
        project.flow(TRIAGE)
        result = project.run("--record=changed", test_it=ONE.replace('steps["kind"].response', "status"))

    result.stdout.fnmatch_lines(
        [
            "E *assert 'failed' == 'ok'",
            "E *Step failed: steps[[]0] (writer): the provider refused the credentials *",
            "ERROR *strands_action:*triage.yaml failed:*",
        ]
    )


def test_what_a_model_says_is_no_command_to_the_host_that_shows_the_log(project: Project):
    texts = {"type": "object", "additionalProperties": {"type": "string"}}
    with OpenAIServer('{"a\\n::error::b": 5}') as project.server:
        project.flow({**TRIAGE, "agents": {"writer": {"prompt": "You sort.", "output_schema": texts}}})
        result = project.run("--record=changed", test_it=ONE)

    result.stdout.fnmatch_lines(["*satisfy output_schema at *::error::b*"])
    result.stdout.no_re_match_line(r"^\s*::")


# -- unused -----------------------------------------------------------------------------------------------------------


def test_a_recording_that_nothing_asked_for_fails_the_test_unless_that_is_allowed(project: Project):
    tests = """
        def test_strict(workflow):
            workflow("triage.yaml")

        def test_lenient(workflow):
            assert "nothing asked for" in workflow("triage.yaml", unused="allow").warnings[0]
    """
    project.flow({**TRIAGE, "pattern": chain("What is {{ title }}?", "And then?")})
    project.run("--record=changed", test_it=ONE.replace('steps["kind"]', "steps[0]"))
    project.flow({**TRIAGE, "pattern": chain("What is {{ title }}?")})
    result = project.run(test_it=tests)

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [r"E *recordings that nothing asked for: steps[[]1]; to be rid of them: pytest --record=changed *"]
    )
    project.run("--record=changed").assert_outcomes(passed=1, failed=1)  # there is nothing left to warn of
    project.run("test_it.py::test_strict").assert_outcomes(passed=1)
    assert project.recordings == ["fixtures/triage/steps[0].json"]


# -- whose recordings -------------------------------------------------------------------------------------------------


def test_two_tests_of_one_workflow_share_its_recordings_and_have_their_own_for_variables(project: Project):
    tests = """
        import pytest

        def test_one(workflow):
            workflow("triage.yaml")

        def test_two(workflow):
            workflow("triage.yaml")

        @pytest.mark.parametrize("title", ["down", "a b/c"])
        def test_values(workflow, title):
            workflow("triage.yaml", variables={"title": title})
    """
    project.run("--record=changed", test_it=tests).assert_outcomes(passed=4)
    assert project.recordings == [
        "fixtures/triage/steps[0].json",
        "fixtures/triage/test_values-a-b-c/steps[0].json",
        "fixtures/triage/test_values-down/steps[0].json",
    ]
    assert len(project.server.requests) == 3
    project.run().assert_outcomes(passed=4)
    project.flow({**TRIAGE, "agents": {"writer": {"prompt": "You guess."}}})
    project.run().stdout.fnmatch_lines(["4 tests without *", "  pytest --record=changed test_it.py"])
    project.run("--record=all").assert_outcomes(passed=4)
    assert len(project.server.requests) == 6


def test_runs_with_other_variables_do_not_write_over_each_other(project: Project):
    tests = """
        def test_both(workflow):
            workflow("triage.yaml", variables={"title": "one"})
            workflow("triage.yaml", variables={"title": "two"}, recordings="two")
            workflow("triage.yaml", variables={"title": "three"})
    """
    result = project.run("--record=changed", test_it=tests)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *UsageError: an earlier run of this test has the recordings 'test_both' of *"])


def test_a_human_is_whoever_the_test_says(project: Project):
    tests = """
        def test_paused(workflow):
            report = workflow("triage.yaml")
            assert report.status == "paused"
            assert report.questions == {"steps[0]": "Well?"}

        def test_answered(workflow):
            assert workflow("triage.yaml", hitl_response="good").steps[0].response == "good"

        def test_by_path(workflow):
            assert workflow("triage.yaml", hitl_response={"steps[0]": "bad"}).steps[0].response == "bad"
    """
    project.flow({**TRIAGE, "pattern": chain({"type": "hitl", "prompt": "Well?"}, "Say {{ hitl_response }}.")})
    project.run("--record=changed", test_it=tests).assert_outcomes(passed=3)
    project.run().assert_outcomes(passed=3)
    assert len(project.server.requests) == 2
    assert {one.split("/")[2] for one in project.recordings} == {"steps[0].json", "test_answered", "test_by_path"}


def test_a_path_is_one_from_the_test_or_from_the_root(project: Project):
    project.flow(TRIAGE, "flows/triage.yaml")
    beside = project.pytester.mkdir("tests") / "own.yaml"
    beside.write_text(as_text({**TRIAGE, "name": "own"}))
    tests = """
        import pathlib

        def test_paths(workflow):
            workflow("flows/triage.yaml")
            workflow("../flows/triage.yaml")
            workflow(pathlib.Path(__file__).parent.parent / "flows" / "triage.yaml")

        def test_nowhere(workflow):
            workflow("nowhere.yaml")

        def test_outside(workflow, tmp_path):
            file = tmp_path.parents[2] / "outside.yaml"
            file.write_text("")
            workflow(file)
    """
    (project.pytester.path / "tests/test_it.py").write_text("\n".join(line[8:] for line in tests.split("\n")))
    result = project.run("--record=changed")

    result.assert_outcomes(passed=1, failed=2)
    assert project.recordings == ["flows/fixtures/triage/steps[0].json"]
    result.stdout.fnmatch_lines(
        [
            f"E *there is no workflow file 'nowhere.yaml'; looked for {project.pytester.path}/tests/nowhere.yaml and *",
            "E *lies outside of pytest's rootdir *; name another with --rootdir",
        ]
    )


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("tools='real'", "tools is 'real', not one of: recorded, live"),
        ("unused='ignore'", "unused is 'ignore', not one of: fail, allow"),
        ("variables={'title': {1, 2}}", "variables should be values of JSON: *set*"),
        ("recordings='../others'", "recordings '../others' should be a directory below *"),
    ],
)
def test_what_does_not_fit_is_told(project: Project, given: str, told: str):
    result = project.run(test_it=f"def test_it(workflow): workflow('triage.yaml', {given})")
    result.stdout.fnmatch_lines([f"E *UsageError: {told}"])


# -- where it is used -------------------------------------------------------------------------------------------------


def test_an_async_test_and_another_fixture_can_use_it(project: Project):
    tests = """
        import asyncio
        import pytest

        @pytest.fixture
        def report(workflow):
            return workflow("triage.yaml")

        def test_fixture(report):
            assert report.response == "ok"

        def test_async(workflow):
            async def test():
                return workflow("triage.yaml")

            assert asyncio.run(test()).response == "ok"
    """
    result = project.run("--record=changed", test_it=tests)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["recorded, *", "  fixtures/triage: 1 added"])
    project.run().assert_outcomes(passed=2)


def test_tools_are_real_where_a_test_asks_for_them(project: Project):
    def reading(request: Request) -> Answer | str:
        told = any(message["role"] == "tool" for message in request.messages)
        return "ok" if told else Answer("", tool_calls=[("file_read", {"path": "notes.txt"})])

    tests = """
        def test_live(workflow):
            assert workflow("triage.yaml", tools="live").tools == ["file_read"]
    """
    notes = project.pytester.path / "notes.txt"
    notes.write_text("one")
    with OpenAIServer(reading) as project.server:
        project.flow({**TRIAGE, "agents": {"writer": {"prompt": "You read.", "tools": ["file_read"]}}})
        project.run("--record=changed", test_it=tests).assert_outcomes(passed=1)
    project.run().assert_outcomes(passed=1)
    notes.write_text("two")
    again = "pytest --record=all test_it.py::test_live"
    project.run().stdout.fnmatch_lines([f"E *the tool 'file_read' gave 'two'*: {again}", f"  {again}"])


def test_what_the_plugin_costs_where_it_is_not_used_is_itself():
    program = (
        "import pytest, sys; before = {*sys.modules}; import runner.testing.plugin; print({*sys.modules} - before)"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.count("'") == 2 * 3, ended.stdout
