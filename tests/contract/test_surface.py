"""The surface users script against: modes, outputs, files, log lines, the command line."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runner.report.results import OUTPUTS
from tests.servers import Answer, OpenAIServer, Request
from tests.workspace import Workspace, chain, parallel, tasks, workflow

ROOT = Path(__file__).parents[2]


def echo(request: Request) -> str:
    return f"answer to {request.user_texts[-1]}"


# -- what a run leaves ------------------------------------------------------------------------------------------------


def test_a_run_leaves_outputs_results_summary_and_traces(workspace: Workspace):
    with OpenAIServer(reply=echo) as server:
        outcome = workspace.run(workflow(server.url, chain("one", "two, after {{ last_response }}")))

    assert outcome.exit_code == 0
    assert set(outcome.outputs) == set(OUTPUTS)
    assert outcome.outputs["response"] == "answer to two, after answer to one"
    assert (outcome.outputs["input-tokens"], outcome.outputs["output-tokens"]) == ("20", "10")
    assert outcome.outputs["cost-usd"] == ""
    files = sorted(path.name.split("-")[0] for path in (workspace.root / "strands-artifacts").iterdir())
    assert files == ["results.json", "summary.md", "tape", "trace", "trace"]
    assert (workspace.root / "strands-artifacts/summary.md").read_text() == outcome.summary
    assert [step["response"] for step in outcome.results["steps"]] == ["answer to one", outcome.outputs["response"]]


def test_two_runs_in_one_workspace_do_not_write_over_each_other(workspace: Workspace):
    with OpenAIServer(reply=echo) as server:
        first = workspace.run(workflow(server.url, chain("one")))
        second = workspace.run(workflow(server.url, chain("two")))

    assert first.outputs["results-path"] == "strands-artifacts/results.json"
    assert second.outputs["results-path"] == "strands-artifacts/run-2/results.json"
    assert (first.results["response"], second.results["response"]) == ("answer to one", "answer to two")


def test_step_outputs_and_artifacts_are_rendered_from_the_answers(workspace: Workspace):
    outputs = {
        "step_outputs": {"first": "{{ steps.a.response }}", "tokens": "{{ steps[0].tokens }}"},
        "artifacts": [{"path": "notes/{{ steps.a.agent }}.md", "from": "# {{ last_response }}"}],
    }
    with OpenAIServer(reply=echo) as server:
        spec = workflow(server.url, chain({"id": "a", "agent": "writer", "input": "go"}), outputs=outputs)
        outcome = workspace.run(spec)

    assert (outcome.outputs["first"], outcome.outputs["tokens"]) == ("answer to go", "15")
    assert (workspace.root / "strands-artifacts/notes/writer.md").read_text() == "# answer to go"


def test_an_artifact_path_made_by_a_model_cannot_leave_the_directory(workspace: Workspace):
    outputs = {"artifacts": [{"path": "{{ last_response }}", "from": "x"}]}
    with OpenAIServer(reply=lambda _: "../../escaped") as server:
        outcome = workspace.run(workflow(server.url, chain("go"), outputs=outputs))

    assert outcome.exit_code == 12
    assert "leads out of the artifacts directory" in outcome.log
    assert not (workspace.root.parent / "escaped").exists()


def test_spans_nest_as_documented_and_hold_neither_prompts_nor_answers(workspace: Workspace):
    agents = {"writer": {"prompt": "SYSTEM-MARK", "tools": ["calculator"]}}
    answers = [Answer("", tool_calls=[("calculator", {"expression": "40 + 2"})]), Answer("ANSWER-MARK")]
    with OpenAIServer(reply=answers) as server:
        outcome = workspace.run(workflow(server.url, chain("QUESTION-MARK"), agents=agents))

    names = {span["span_id"]: span["name"] for span in outcome.trace}
    parents = {span["name"]: names.get(span["parent_id"]) for span in outcome.trace}
    assert parents["workflow.execute"] is None
    assert parents["pattern.chain"] == "workflow.execute"
    assert parents["step"] == "pattern.chain"
    assert parents["agent.build"] == parents["agent.invoke"] == "step"
    assert parents["invoke_agent writer"] == "agent.invoke"
    assert len({span["trace_id"] for span in outcome.trace}) == 1
    for file in (workspace.root / "strands-artifacts").glob("trace-*"):
        for mark in ("SYSTEM-MARK", "QUESTION-MARK", "ANSWER-MARK", "40 + 2"):
            assert mark not in file.read_text()


def test_without_trace_nothing_is_traced(workspace: Workspace):
    with OpenAIServer() as server:
        outcome = workspace.run(workflow(server.url, chain("go")), trace="false")

    assert outcome.outputs["trace-path"] == ""
    assert not list((workspace.root / "strands-artifacts").glob("trace-*"))


def test_spans_go_to_a_collector_where_the_standard_variables_name_one(workspace: Workspace):
    collector = OpenAIServer()
    with collector, OpenAIServer() as server:
        workspace.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.url.removesuffix("/v1")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.removesuffix("/v1"))
            patch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "2")
            outcome = workspace.run(workflow(server.url, chain("go")))

    assert outcome.exit_code == 0
    assert [request.path for request in collector.requests][:1] == ["/v1/traces"]


def test_a_summary_can_be_brief_or_off(workspace: Workspace):
    with OpenAIServer(reply=lambda _: "ANSWER-MARK") as server:
        spec = workflow(server.url, chain("go"))
        brief, off = workspace.run(spec, summary="brief"), workspace.run(spec, summary="off")

    assert "steps[0]" in brief.summary
    assert "ANSWER-MARK" not in brief.summary
    assert off.summary == ""


# -- the log ----------------------------------------------------------------------------------------------------------


def test_the_log_has_one_line_a_step_and_no_answer(workspace: Workspace):
    with OpenAIServer(reply=lambda _: "::set-output name=status::pwned\n##[add-mask]e") as server:
        outcome = workspace.run(workflow(server.url, chain("one", "two")))

    assert len(outcome.logged("step_finished")) == 2
    assert "pwned" not in outcome.log
    assert "##[" not in outcome.log
    assert outcome.outputs["response"].startswith("::set-output")


def test_an_error_made_of_commands_is_printed_harmless(workspace: Workspace):
    hostile = {"error": {"message": "no\n::error::fake\n##[add-mask]e"}}
    with OpenAIServer(reply=lambda _: Answer(status=400, error=hostile)) as server:
        outcome = workspace.run(workflow(server.url, chain("go")))

    assert "##[" not in outcome.log
    assert not [line for line in outcome.log.splitlines() if line.strip().startswith("::error::")]


def test_debug_tells_every_cache_lookup(workspace: Workspace):
    with OpenAIServer() as server:
        spec = workflow(server.url, chain("one", "two"))
        loud, quiet = workspace.run(spec, debug="true"), workspace.run(spec)

    assert "agent_id=writer config_hash=" in loud.logged("agent_cache_miss")[0]
    assert len(loud.logged("agent_cache_hit")) == 1
    assert not quiet.logged("agent_cache")


# -- budgets ----------------------------------------------------------------------------------------------------------


def test_a_token_budget_ends_the_run_with_what_had_finished(workspace: Workspace):
    runtime = {"max_tokens": 10, "budgets": {"tokens": 45}}
    with OpenAIServer() as server:
        outcome = workspace.run(workflow(server.url, chain(*"abcdef"), runtime=runtime))

    assert (outcome.exit_code, outcome.outputs["status"]) == (20, "budget")
    assert int(outcome.outputs["total-tokens"]) <= 45
    assert outcome.results["steps"][0]["status"] == "success"
    assert outcome.logged("budget_exceeded")


def test_a_budget_that_is_nearly_spent_warns_once(workspace: Workspace):
    runtime = {"budgets": {"tokens": 100, "warn_threshold": 0.5}}
    with OpenAIServer() as server:
        spec = workflow(server.url, chain("a", {}, {}, {}, {}), runtime=runtime)
        outcome, strict = workspace.run(spec), workspace.run(spec, fail_on="warning")

    [line] = outcome.logged("budget_warning")
    assert "usage=60 limit=100 percent=60" in line
    assert [line for line in outcome.annotations if line.startswith("::warning") and "60 of 100" in line]
    assert outcome.outputs["budget-used-percent"] == "75"
    assert (outcome.exit_code, strict.exit_code) == (0, 20)


def test_a_limit_on_steps_ends_the_run(workspace: Workspace):
    with OpenAIServer() as server:
        outcome = workspace.run(workflow(server.url, chain(*"abc"), runtime={"budgets": {"max_steps": 2}}))

    assert (outcome.exit_code, outcome.outputs["status"], len(server.requests)) == (20, "budget", 2)


def test_fail_on_never_forgives_how_a_run_ended_but_not_bad_input(workspace: Workspace):
    with OpenAIServer(reply=lambda _: Answer(status=400)) as server:
        forgiven = workspace.run(workflow(server.url, chain("go")), fail_on="never")
        refused = workspace.run(workflow(server.url, chain("{{ nothing }}")), fail_on="never")

    assert (forgiven.exit_code, forgiven.outputs["status"]) == (0, "failed")
    assert (refused.exit_code, refused.outputs["status"]) == (3, "invalid")


# -- validate, plan, schema -------------------------------------------------------------------------------------------


def test_validate_tells_every_fault_of_every_file_and_asks_nobody(workspace: Workspace):
    with OpenAIServer() as server:
        workspace.write("specs/good.yaml", workflow(server.url, chain("go")))
        workspace.write("specs/bad.yaml", workflow(server.url, chain({"agent": "nobody"}, {"agent": "none"})))
        workspace.write("specs/worse.yaml", "version: 7\n")
        outcome = workspace.action(mode="validate", spec="specs/*.yaml")

    assert (outcome.exit_code, outcome.outputs["status"]) == (3, "invalid")
    assert "specs/good.yaml: valid; chain, 1 steps" in outcome.log
    assert "unknown agent 'nobody'" in outcome.log
    assert "unknown agent 'none'" in outcome.log
    assert "specs/worse.yaml:1:10: version: 7 is not one of: 0 or 1" in outcome.log
    assert len([line for line in outcome.annotations if "file=specs/worse.yaml" in line]) == 5
    assert server.requests == []


def test_many_faults_in_many_files_are_annotated_up_to_the_hosts_limit(workspace: Workspace):
    for number in range(14):
        workspace.write(f"specs/{number:02}.yaml", workflow("http://x/v1", chain({"agent": "nobody", "input": "x"})))
    outcome = workspace.action(mode="validate", spec="specs/*.yaml")

    assert len(outcome.annotations) == 10
    assert "(and 4 more, listed in the job summary)" in outcome.annotations[-1]
    assert len(outcome.logged("ERROR")) == 14


def test_plan_prints_what_would_run(workspace: Workspace):
    with OpenAIServer() as server:
        spec = workflow(server.url, tasks(fetch=[], read=["fetch"]), inputs={"required": {"topic": "string"}})
        outcome = workspace.run(spec, mode="plan")
        as_json = json.loads(workspace.command("plan", "workflow.yaml", "--json").stdout)

    assert outcome.exit_code == 0
    assert "tasks.read" in outcome.stdout
    assert "flowchart" in outcome.summary
    assert as_json["steps"][1]["needs"] == ["tasks.fetch"]
    assert as_json["config_hash"] == outcome.outputs["config-hash"]
    assert server.requests == []


def test_schema_prints_the_json_schema_of_the_language(workspace: Workspace):
    from jsonschema import Draft202012Validator

    schema = json.loads(workspace.command("schema").stdout)

    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    assert validator.is_valid(workflow("http://x", chain("go")))
    assert not validator.is_valid({**workflow("http://x", chain("go")), "pattrn": {}})


# -- the command line -------------------------------------------------------------------------------------------------


def test_the_command_line_prints_the_answer_on_stdout_and_the_log_on_stderr(workspace: Workspace):
    with OpenAIServer(reply=echo) as server:
        spec = workflow(server.url, chain("about {{ topic }}"), inputs={"required": {"topic": "string"}})
        outcome = workspace.command("run", workspace.write("w.yaml", spec), "--variables", "topic: tests")

    assert outcome.stdout == "answer to about tests\n"
    assert "run_finished status=success" in outcome.log
    assert "Summary: strands-artifacts/summary.md" in outcome.log


def test_one_line_mode_asks_the_prompt_as_it_is(workspace: Workspace):
    with OpenAIServer(reply=echo) as server:
        outcome = workspace.action(prompt="what is {{ this }}?", provider="openai", model_id="m", host=server.url)

    assert outcome.outputs["response"] == "answer to what is {{ this }}?"
    assert [message["role"] for message in server.requests[0].messages] == ["user"]


def test_inputs_override_the_file(workspace: Workspace):
    with OpenAIServer(reply=lambda _: Answer(delay=0.05)) as server:
        spec = workflow("http://elsewhere.invalid/v1", tasks(a=[], b=[], c=[]))
        outcome = workspace.run(spec, host=server.url, model_id="other", max_parallel="1")

    assert outcome.exit_code == 0
    assert {request.model for request in server.requests} == {"other"}
    assert server.max_in_flight == 1


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_the_run_with_everything_written(workspace: Workspace, name: str):
    def answer(request: Request) -> Answer:
        return Answer("done", delay=0 if request.user_texts == ["a"] else 30)

    output = workspace.root / "output"
    output.touch()
    with OpenAIServer(reply=answer) as server:
        workspace.write("w.yaml", workflow(server.url, chain("a", "b")))
        environ = {"PATH": os.environ["PATH"], "GITHUB_OUTPUT": str(output), "PYTHONWARNINGS": "error"}
        command = [sys.executable, str(ROOT / "entrypoint.py"), "run", "w.yaml"]
        process = subprocess.Popen(command, cwd=workspace.root, env=environ, stderr=subprocess.PIPE, text=True)
        server.until(lambda: len(server.requests) == 2, timeout=20)
        process.send_signal(getattr(signal, name))
        before = time.monotonic()
        _, log = process.communicate(timeout=10)

    assert time.monotonic() - before < 5
    assert process.returncode == 130, log
    assert "Traceback" not in log
    assert "status<<" in output.read_text()
    assert "\ncancelled\n" in output.read_text()
    results = json.loads((workspace.root / "strands-artifacts/results.json").read_text())
    assert [step["status"] for step in results["steps"]] == ["success", "cancelled"]


def test_parallel_branches_reduce_to_one_answer(workspace: Workspace):
    reduce = {"agent": "writer", "input": "{{ branches.b.response }} + {{ branches.a.response }}"}
    with OpenAIServer(reply=echo) as server:
        joined = workspace.run(workflow(server.url, parallel(a=["1"], b=["2", "3"])))
        reduced = workspace.run(workflow(server.url, parallel(reduce, a=["1"], b=["2", "3"])))

    assert joined.outputs["response"] == "answer to 1\n\nanswer to 3"
    assert reduced.outputs["response"] == "answer to answer to 3 + answer to 1"


# -- what goes wrong around a run -------------------------------------------------------------------------------------


def test_a_signal_before_the_run_leaves_quietly(workspace: Workspace):
    os.mkfifo(workspace.root / "w.yaml")  # reading it waits for ever
    command = [sys.executable, str(ROOT / "entrypoint.py"), "run", "w.yaml"]
    process = subprocess.Popen(command, cwd=workspace.root, stderr=subprocess.PIPE, text=True)
    time.sleep(1.0)
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=10)

    assert process.returncode == 130
    assert "Traceback" not in log


def test_a_second_signal_leaves_at_once(workspace: Workspace):
    with OpenAIServer(reply=lambda _: Answer(delay=30)) as server:
        # A template that keeps the loop busy: the first signal cannot be acted on.
        busy = (
            "{% for a in range(3000) %}{% for b in range(3000) %}{{ a - a if b < 0 else '' }}{% endfor %}{% endfor %}x"
        )
        workspace.write("w.yaml", workflow(server.url, chain("a", busy)))
        command = [sys.executable, str(ROOT / "entrypoint.py"), "run", "w.yaml"]
        process = subprocess.Popen(command, cwd=workspace.root, stderr=subprocess.PIPE, text=True)
        server.until(lambda: len(server.requests) == 1, timeout=20)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        before = time.monotonic()
        process.communicate(timeout=10)

    assert process.returncode == 130
    assert time.monotonic() - before < 5


def test_a_bug_of_ours_is_told_and_still_leaves_a_report(workspace: Workspace, monkeypatch: pytest.MonkeyPatch):
    from runner.patterns.registry import PATTERNS

    async def broken(*_: object) -> None:
        raise ZeroDivisionError("::error::what a bug")

    monkeypatch.setitem(PATTERNS, "chain", broken)  # type: ignore[arg-type]
    with OpenAIServer() as server:
        outcome = workspace.run(workflow(server.url, chain("go")))

    assert (outcome.exit_code, outcome.outputs["status"]) == (70, "failed")
    assert "Traceback" in outcome.log
    assert "ZeroDivisionError" in outcome.summary
    assert outcome.results["steps"][0]["status"] == "skipped"
    assert not [line for line in outcome.log.splitlines() if line.startswith("::error::")]


def test_a_key_that_a_server_repeats_is_in_nothing_a_run_leaves(workspace: Workspace):
    key = "sk-0123456789abcdef"
    workspace.environ["OPENAI_API_KEY"] = key

    def tell(request: Request) -> Answer:
        if len(request.user_texts[0]) == 1:
            return Answer(f"your key is {request.headers['authorization']}")
        return Answer(status=401, error={"error": {"message": f"bad key {request.headers['authorization']}"}})

    with OpenAIServer(reply=tell) as server:
        outcome = workspace.run(workflow(server.url, chain("a", "bb")), debug="true")

    assert server.requests[0].headers["authorization"] == f"Bearer {key}"
    assert key not in outcome.log
    for file in workspace.root.rglob("*"):
        if file.is_file():
            assert key not in file.read_text(), file
    assert "***" in outcome.log


def test_a_run_on_a_terminal_is_shown_step_by_step(tmp_path: Path):
    import io

    from runner.main import main

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen, workspace = Terminal(), Workspace(tmp_path)
    with OpenAIServer() as server:
        workspace.write("w.yaml", workflow(server.url, chain("a")))
        main(["run", "w.yaml"], {}, cwd=tmp_path, stdout=io.StringIO(), stderr=screen)

    assert re.search(r"  … +steps\[0\]  writer", screen.getvalue())
    assert re.search(r"  ✓ +\d+ ms +15 tokens  steps\[0\]  writer", screen.getvalue())
    assert "INFO" not in screen.getvalue()
