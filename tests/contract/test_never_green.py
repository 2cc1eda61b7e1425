"""No green check without a result, and no result lost on the way out."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.contract.test_reuse import AWS
from tests.servers import Answer, BedrockServer, OllamaServer, OpenAIServer, Request
from tests.servers.collector import Collector
from tests.workspace import Workspace, chain, parallel, read_outputs, tasks, workflow

ROOT = Path(__file__).parents[2]
ONCE = {"failure_policy": {"retries": 0}}
TWICE = {"failure_policy": {"retries": 1, "wait_min": 0.01}}


# -- answers that are none --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["error", "abort", "function_call"])
def test_an_answer_that_broke_off_at_openai(workspace: Workspace, reason: str):
    with OpenAIServer(reply=lambda _: Answer("half an ans", finish=reason)) as server:
        outcome = workspace.run(workflow(server.url, chain("go"), runtime=ONCE))

    assert outcome.exit_code == 10
    assert f"broke off (finish_reason: {reason})" in outcome.log


@pytest.mark.parametrize("reason", ["unload", "error"])
def test_an_answer_that_broke_off_at_ollama(workspace: Workspace, reason: str):
    with OllamaServer(reply=lambda _: Answer("half an ans", finish=reason)) as server:
        outcome = workspace.run(workflow(server.url, chain("go"), provider="ollama", runtime=ONCE))

    assert outcome.exit_code == 10
    assert f"broke off (done_reason: {reason})" in outcome.log


def test_a_stream_of_ollama_that_ends_in_the_middle_is_asked_again(workspace: Workspace):
    half = b'{"model": "m", "message": {"role": "assistant", "content": "half"}, "done": false}\n'
    with OllamaServer(reply=[Answer(raw=half), Answer("whole")]) as server:
        outcome = workspace.run(workflow(server.url, chain("go"), provider="ollama", runtime=TWICE))

    assert outcome.outputs["response"] == "whole"


def test_ollama_without_counts_is_an_answer_of_unknown_cost(workspace: Workspace):
    whole = (
        b'{"model": "m", "message": {"role": "assistant", "content": "whole"}, "done": true, "done_reason": "stop"}\n'
    )
    with OllamaServer(reply=lambda _: Answer(raw=whole)) as server:
        outcome = workspace.run(workflow(server.url, chain("go"), provider="ollama"))

    assert (outcome.outputs["response"], outcome.outputs["total-tokens"]) == ("whole", "0")


def test_a_character_streamed_in_two_halves_is_made_whole(workspace: Workspace):
    def chunk(text: str, reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": {"content": text}, "finish_reason": reason}
        return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"

    raw = chunk("\ud83d") + chunk("\ude00") + chunk("", "stop") + b"data: [DONE]\n\n"
    with OpenAIServer(reply=[Answer(raw=raw), Answer("ok")]) as server:
        outcome = workspace.run(workflow(server.url, chain("go", "you said {{ last_response }}")))

    assert server.requests[1].user_texts == ["you said \N{GRINNING FACE}"]
    assert outcome.outputs["status"] == "success"


def test_a_model_that_calls_tools_for_ever_is_stopped(workspace: Workspace):
    agents = {"writer": {"prompt": "p", "tools": ["calculator"]}}
    with OpenAIServer(reply=lambda _: Answer("", tool_calls=[("calculator", {"expression": "1"})])) as server:
        outcome = workspace.run(workflow(server.url, chain("go"), agents=agents))

    assert outcome.exit_code == 10
    assert "no answer after 50 turns" in outcome.log
    assert len(server.requests) == 50


@pytest.mark.parametrize(
    ("error", "asked"),
    [
        ({"message": "busy", "type": "InternalServerError", "code": 500}, 2),
        ({"message": "slow down", "code": "rate_limit_exceeded"}, 2),
        ({"message": "overloaded", "type": "overloaded_error"}, 2),
        ({"message": "no such tool", "type": "invalid_request_error"}, 1),
    ],
)
def test_an_error_inside_a_stream_is_retried_when_it_may_pass(workspace: Workspace, error: dict[str, Any], asked: int):
    raw = b"data: " + json.dumps({"error": error}).encode() + b"\n\n"
    with OpenAIServer(reply=lambda _: Answer(raw=raw)) as server:
        outcome = workspace.run(workflow(server.url, chain("go"), runtime=TWICE))

    assert outcome.exit_code == 10
    assert error["message"] in outcome.log
    assert len(server.requests) == asked


def test_a_quota_that_is_used_up_is_not_asked_again(workspace: Workspace):
    error = {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}
    with OpenAIServer(reply=lambda _: Answer(status=429, error=error)) as server:
        outcome = workspace.run(workflow(server.url, chain("go"), runtime=TWICE))

    assert "(HTTP 429): You exceeded your current quota" in outcome.log
    assert len(server.requests) == 1


def test_retry_after_of_ollama_is_honoured(workspace: Workspace):
    answers = [Answer(status=429, headers={"retry-after": "0.3"}), Answer("ok")]
    with OllamaServer(reply=answers) as server:
        workspace.run(workflow(server.url, chain("go"), provider="ollama", runtime=TWICE))

    assert server.requests[1].at - server.requests[0].at >= 0.3


def test_an_unreachable_bedrock_is_told_as_such_and_tried_again(workspace: Workspace):
    workspace.environ |= AWS
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        host = f"http://127.0.0.1:{closed.getsockname()[1]}"
    outcome = workspace.run(workflow(host, chain("go"), provider="bedrock", runtime=TWICE))

    assert outcome.exit_code == 10
    assert "HTTP" not in outcome.logged("step_finished")[0]
    assert "gave up after 2 attempts" in outcome.log


def test_a_profile_that_does_not_exist_is_bad_input(workspace: Workspace):
    workspace.environ |= {"AWS_PROFILE": "nobody"}
    with BedrockServer() as server:
        outcome = workspace.run(workflow(server.url, chain("go"), provider="bedrock"))

    assert (outcome.exit_code, outcome.outputs["status"]) == (2, "invalid")
    assert "nobody" in outcome.log


# -- counting ---------------------------------------------------------------------------------------------------------


def test_retries_are_not_counted_as_cache_hits(workspace: Workspace):
    with OpenAIServer(reply=[Answer(status=503), Answer("a"), Answer("b")]) as server:
        outcome = workspace.run(workflow(server.url, chain("one", "two"), runtime=TWICE))

    names = ("cache-builds", "cache-hits", "cache-hit-rate", "clients-created", "client-hits")
    assert [outcome.outputs[name] for name in names] == ["1", "1", "50", "1", "1"]


def test_a_budget_holds_where_the_provider_tells_no_usage(workspace: Workspace):
    raw = b'data: {"choices": [{"index": 0, "delta": {"content": "ok"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
    runtime = {"max_tokens": 20, "budgets": {"max_tokens": 60}}
    with OpenAIServer(reply=lambda _: Answer(raw=raw)) as server:
        outcome = workspace.run(workflow(server.url, chain(*"abcdef"), runtime=runtime))

    assert (outcome.exit_code, outcome.outputs["status"]) == (20, "budget")
    assert len(outcome.logged("usage_unknown")) == 1
    assert outcome.outputs["total-tokens"] == "0"  # the provider's own count, never a guess


def test_a_connection_is_kept_also_when_the_last_chunk_is_very_late(workspace: Workspace):
    with OpenAIServer(reply=lambda _: Answer(late_end=0.7)) as server:
        workspace.run(workflow(server.url, chain("a", "b")))

    assert server.connections == 1


# -- what comes out ---------------------------------------------------------------------------------------------------


def test_answers_of_a_dag_are_joined_in_the_order_they_are_written(workspace: Workspace):
    with OpenAIServer(reply=lambda request: request.user_texts[0]) as server:
        outcome = workspace.run(workflow(server.url, tasks(a=["x"], b=[], x=[])))

    assert outcome.outputs["response"] == "a\n\nb"


def test_data_of_a_single_end_is_the_data_of_the_run(workspace: Workspace):
    agents = {"writer": {"prompt": "p", "output_schema": {"type": "object"}}}
    with OpenAIServer(reply=lambda _: '{"a": 1}') as server:
        dag = workspace.run(workflow(server.url, tasks(a=[], b=["a"]), agents=agents))
        one = workspace.run(workflow(server.url, parallel(only=["x"]), agents=agents))
        two = workspace.run(workflow(server.url, parallel(a=["x"], b=["y"]), agents=agents))

    assert (dag.outputs["structured"], one.outputs["structured"]) == ('{"a": 1}', '{"a": 1}')
    assert two.outputs["structured"] == ""


def test_a_task_goes_through_what_it_waits_for_in_the_order_of_the_file(workspace: Workspace):
    pattern = tasks(b=[], a=[], other=[], end=["a", "b"])
    pattern["config"]["tasks"][3]["input"] = (
        "{% for one in tasks %}{{ one.response }}{% endfor %} of {{ tasks|length }}"
    )
    with OpenAIServer(reply=lambda request: request.user_texts[0]) as server:
        outcome = workspace.run(workflow(server.url, pattern))

    assert outcome.outputs["response"] == "other\n\nba of 2"


@pytest.mark.parametrize(
    "path", ["results.json", "summary.md/x", "trace-1.json", "run-2/results.json", "x/../summary.md", "post-plan.json"]
)
def test_an_artifact_cannot_take_the_place_of_the_runs_own_files(workspace: Workspace, path: str):
    outputs = {"artifacts": [{"path": "{{ last_response }}", "from": "mine"}], "step_outputs": {"got": "{{ 1 + 1 }}"}}
    with OpenAIServer(reply=lambda _: path) as server:
        outcome = workspace.run(workflow(server.url, chain("go"), outputs=outputs))

    assert outcome.exit_code == 12
    assert "one of the run's own files" in outcome.summary
    # What was paid for is there all the same.
    assert (outcome.outputs["response"], outcome.outputs["got"], outcome.outputs["total-tokens"]) == (path, "2", "15")
    assert outcome.results["steps"][0]["response"] == path


def test_two_artifacts_cannot_have_one_path(workspace: Workspace):
    outputs = {"artifacts": [{"path": "a.md", "from": "1"}, {"path": "a.md", "from": "2"}]}
    with OpenAIServer() as server:
        outcome = workspace.run(workflow(server.url, chain("go"), outputs=outputs))

    assert outcome.exit_code == 10
    assert "there is one with the path" in outcome.log


def test_step_outputs_are_set_also_when_the_run_failed(workspace: Workspace):
    with OpenAIServer(reply=lambda _: Answer(status=400)) as server:
        spec = workflow(server.url, chain("go"), outputs={"step_outputs": {"verdict": "{{ last_response }}"}})
        outcome = workspace.run(spec)

    assert outcome.outputs["verdict"] == ""


def test_a_printed_answer_is_no_command_to_a_runner_that_reads_along(workspace: Workspace):
    with OpenAIServer(reply=lambda _: "::add-mask::x\r  ::error::y\nplain ##[add-mask]z\n\tok") as server:
        workspace.write("w.yaml", workflow(server.url, chain("go")))
        outcome = workspace.command("run", "w.yaml")

    assert not [line for line in outcome.stdout.splitlines() if line.lstrip().startswith("::") or "##[" in line]
    assert outcome.stdout.endswith("\tok\n")


# -- advice and checks ------------------------------------------------------------------------------------------------


def test_advice_that_fails_a_run_fails_it_before_a_token_is_spent(workspace: Workspace):
    agents = {"writer": {"prompt": "p"}, "unused": {"prompt": "q"}}
    with OpenAIServer() as server:
        spec = workflow(server.url, chain("go"), agents=agents)
        forgiven, refused = workspace.run(spec), workspace.run(spec, fail_on="warning")
        planned = workspace.run(spec, fail_on="warning", mode="plan")

    assert (forgiven.exit_code, refused.exit_code, planned.exit_code) == (0, 3, 3)
    assert refused.outputs["status"] == "invalid"
    assert "agent 'unused' is used by no step" in refused.log
    assert len(server.requests) == 1


def test_validate_without_a_file_is_no_success(workspace: Workspace):
    assert workspace.command("validate", "").exit_code == 2
    assert workspace.action(mode="validate", prompt="go", provider="openai", model_id="m").exit_code == 2


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{{ steps[0].respones }}", "an answer has no 'respones'; did you mean 'response'?"),
        ("{{ steps['a']['text'] }}", "an answer has no 'text'"),
        ("{{ note }}", "undefined name 'note'"),
    ],
)
def test_a_name_that_can_be_known_wrong_is_found_before_a_token_is_spent(
    workspace: Workspace, template: str, problem: str
):
    spec = workflow("http://x/v1", chain({"id": "a", "agent": "writer", "input": "go"}, template))
    outcome = workspace.run(spec | {"inputs": {"optional": {"note": "string"}}})

    assert outcome.exit_code == 3
    assert problem in outcome.log


def test_an_input_cannot_have_the_name_of_answers(workspace: Workspace):
    outcome = workspace.run(workflow("http://x/v1", chain("go")) | {"inputs": {"values": {"last_response": "mine"}}})

    assert outcome.exit_code == 3
    assert "an input cannot be named 'last_response'" in outcome.log


def test_a_host_without_a_scheme_is_refused(workspace: Workspace):
    outcome = workspace.run(workflow("localhost:9/v1", chain("go")))

    assert outcome.exit_code == 3
    assert "host 'localhost:9/v1' needs a scheme, such as http://localhost:9/v1" in outcome.log


def test_an_unknown_provider_as_an_input_is_refused(workspace: Workspace):
    outcome = workspace.run(workflow("http://x/v1", chain("go")), provider="opnai")

    assert outcome.exit_code == 2
    assert "'opnai' is not one of" in outcome.log


def test_flags_that_are_true_or_false_need_no_value(workspace: Workspace):
    with OpenAIServer() as server:
        workspace.write("w.yaml", workflow(server.url, chain("go")))
        outcome = workspace.command("run", "w.yaml", "--debug")

    assert outcome.exit_code == 0
    assert outcome.logged("agent_cache_miss")


# -- signals and collectors -------------------------------------------------------------------------------------------


def start(workspace: Workspace, spec: str | dict[str, Any], code: str = "") -> subprocess.Popen[str]:
    """The command line in a process of its own, with outputs; `code` is run there before it."""
    workspace.write("w.yaml", spec)
    (workspace.root / "output").touch()
    script = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}\nfrom runner.main import cli; cli()"
    environ = {"PATH": os.environ["PATH"], "GITHUB_OUTPUT": str(workspace.root / "output"), **workspace.environ}
    command = [sys.executable, "-c", script, "run", "w.yaml"]
    return subprocess.Popen(command, cwd=workspace.root, env=environ, stderr=subprocess.PIPE, text=True)


def outputs(workspace: Workspace) -> dict[str, str]:
    return read_outputs((workspace.root / "output").read_text())


@pytest.mark.parametrize(
    "moment",
    [
        "import runner.agents.live as m; o = m.LiveAgents.close",
        "import runner.report.outputs as m; o = m.results_json",
    ],
    ids=["while clients close", "while files are written"],
)
def test_a_signal_after_the_last_answer_loses_nothing(workspace: Workspace, moment: str):
    if "close" in moment:
        code = f"""{moment}
async def slow(self):
    import asyncio, os, signal
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.sleep(0.2)
    await o(self)
m.LiveAgents.close = slow"""
    else:
        code = f"""{moment}
def slow(report):
    import os, signal
    os.kill(os.getpid(), signal.SIGTERM)
    return o(report)
m.results_json = slow"""
    with OpenAIServer() as server:
        process = start(workspace, workflow(server.url, chain("go")), code)
        _, log = process.communicate(timeout=20)

    assert process.returncode == 0, log
    assert outputs(workspace)["status"] == "success"
    assert json.loads((workspace.root / "strands-artifacts/results.json").read_text())["response"] == "ok"


def test_a_signal_before_the_run_still_says_how_it_ended(workspace: Workspace):
    code = """import runner.intake as m
def stop(*_, **__):
    import os, signal
    os.kill(os.getpid(), signal.SIGTERM)
m.plan_of = stop"""
    process = start(workspace, "version: 1\n", code)
    _, log = process.communicate(timeout=20)

    assert process.returncode == 130
    assert outputs(workspace)["status"] == "cancelled"
    assert "Traceback" not in log


def test_a_collector_that_never_answers_holds_the_job_for_two_seconds_at_most(workspace: Workspace):
    with OpenAIServer() as server, Collector(silent=True) as collector:
        workspace.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.url
        process = start(workspace, workflow(server.url, chain("go")))
        server.until(lambda: len(server.requests) == 1, timeout=20)
        before = time.monotonic()
        process.communicate(timeout=20)

    assert process.returncode == 0
    assert time.monotonic() - before < 4.5
    assert outputs(workspace)["status"] == "success"


@pytest.mark.parametrize("semconv", ["", "http"], ids=["unset", "set to something else"])
def test_neither_secrets_nor_prompts_reach_a_collector(workspace: Workspace, semconv: str):
    key = "sk-0123456789abcdef"

    def tell(request: Request) -> Answer:
        if request.user_texts == ["PROMPT-MARK"]:
            return Answer("ANSWER-MARK")
        return Answer(status=401, error={"error": {"message": f"bad key {key}"}})

    with OpenAIServer(reply=tell) as server, Collector(silent=False) as collector:
        workspace.environ |= {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
            "OPENAI_API_KEY": key,
            "OTEL_SEMCONV_STABILITY_OPT_IN": semconv,
        }
        process = start(workspace, workflow(server.url, chain("PROMPT-MARK", "second")))
        process.communicate(timeout=20)

    assert b"workflow.execute" in collector.received
    for mark in (key.encode(), b"PROMPT-MARK", b"ANSWER-MARK"):
        assert mark not in collector.received


def test_prompts_are_in_the_trace_when_they_were_asked_for(workspace: Workspace):
    with OpenAIServer(reply=lambda _: "ANSWER-MARK") as server:
        names = "gen_ai.input.messages,gen_ai.output.messages"
        workspace.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = f"gen_ai_unredacted_attributes={names}"
        process = start(workspace, workflow(server.url, chain("PROMPT-MARK")))
        process.communicate(timeout=20)

    [trace] = (workspace.root / "strands-artifacts").glob("trace-*.json")
    assert process.returncode == 0
    assert '"events"' in trace.read_text()


# -- what a second reader found ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunk_delay", [0.0, 0.2], ids=["before the answer", "in the middle of it"])
def test_a_call_of_bedrock_that_ran_out_of_time_is_over(workspace: Workspace, chunk_delay: float):
    workspace.environ |= AWS
    runtime = {"max_parallel": 2, "timeout_s": 0.4, "failure_policy": {"retries": 0, "on_failure": "continue"}}
    slow = Answer("a b c d e f g h", delay=0 if chunk_delay else 5, chunk_delay=chunk_delay, chunks=8)
    with BedrockServer(reply=lambda _: slow) as server:
        spec = workflow(server.url, tasks(**{f"t{i}": [] for i in range(8)}), provider="bedrock", runtime=runtime)
        outcome = workspace.run(spec)

    assert outcome.outputs["steps-failed"] == "8"
    assert server.max_in_flight <= 3  # the server hears of the end a moment after the next call


@pytest.mark.parametrize(
    "template",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{{ '' }}{% endfor %}{% endfor %}",
        '{{ last_response | regex_search("(\\\\w+\\\\s?)+$") }}',
    ],
    ids=["loops", "a pattern that goes back and back"],
)
def test_a_template_without_an_end_is_ended(workspace: Workspace, template: str):
    before = time.monotonic()
    with OpenAIServer(reply=lambda _: "word " * 12 + "!") as server:
        outcome = workspace.run(workflow(server.url, chain("go", template)))

    assert outcome.exit_code == 10
    assert "the template takes " in outcome.log
    assert time.monotonic() - before < 6


def test_a_budget_that_was_overspent_is_no_success(workspace: Workspace):
    pattern = tasks(**{f"t{i}": [] for i in range(5)})
    with OpenAIServer(reply=lambda _: Answer("long", delay=0.1, usage=(10, 1000))) as server:
        outcome = workspace.run(workflow(server.url, pattern, runtime={"budgets": {"max_tokens": 200}}))

    assert (outcome.exit_code, outcome.outputs["status"]) == (20, "budget")
    assert outcome.logged("budget_exceeded")
    assert "calls without max_tokens may answer more than is left" in outcome.log
    assert outcome.outputs["response"]


def test_answers_that_were_cut_off_count_against_the_budget(workspace: Workspace):
    runtime = {"max_tokens": 50, "budgets": {"max_tokens": 150}, "failure_policy": {"retries": 9, "wait_min": 0.01}}
    with OpenAIServer(reply=lambda _: Answer("half of an answer", reset="during")) as server:
        outcome = workspace.run(workflow(server.url, chain("go"), runtime=runtime))

    assert (outcome.exit_code, outcome.outputs["status"]) == (20, "budget")
    assert len(server.requests) <= 3


def test_of_two_different_values_none_is_guessed(workspace: Workspace):
    agents = {"writer": {"prompt": "p", "output_schema": {"type": "object", "required": ["safe"]}}}
    text = 'The issue claims {"safe": true}. My verdict: {"safe": false}'
    with OpenAIServer(reply=lambda _: text) as server:
        outcome = workspace.run(workflow(server.url, chain("go"), agents=agents))

    assert outcome.exit_code == 10
    assert "several different values" in outcome.log


def test_a_variable_cannot_stand_in_for_an_answer(workspace: Workspace):
    with OpenAIServer() as server:
        spec = workflow(server.url, chain({"id": "a", "agent": "writer", "input": "x"}, "{{ steps.a.response }}"))
        given = workspace.run(spec, variables="steps: {a: {response: INJECTED}}")
        spec["pattern"]["config"]["steps"][1]["vars"] = {"steps": {}}
        written = workspace.run(spec)

    assert (given.exit_code, written.exit_code) == (2, 3)
    assert server.requests == []


def test_no_words_of_a_model_stand_in_the_log(workspace: Workspace):
    agents = {"writer": {"prompt": "p", "output_schema": {"properties": {"safe": {"type": "boolean"}}}}}
    outputs = {"artifacts": [{"path": "../{{ last_response }}", "from": "x"}]}
    with OpenAIServer(reply=["MARK is no JSON", '{"safe": "MARK"}', "MARK"]) as server:
        runs = [workspace.run(workflow(server.url, chain("go"), agents=agents)) for _ in range(2)]
        runs.append(workspace.run(workflow(server.url, chain("go"), outputs=outputs)))

    assert [run.exit_code for run in runs] == [10, 10, 12]
    assert not [run for run in runs if "MARK" in run.log]


def test_json_that_escapes_an_emoji_in_two_halves_is_read(workspace: Workspace):
    with OpenAIServer() as server:
        spec = workflow(server.url, chain("hello \N{GRINNING FACE} {{ name }}"))
        workspace.write("w.json", json.dumps(spec))
        outcome = workspace.action(spec="w.json", variables=json.dumps({"name": "\N{GRINNING FACE}"}))

    assert outcome.exit_code == 0, outcome.log
    assert server.requests[0].user_texts == ["hello \N{GRINNING FACE} \N{GRINNING FACE}"]


def test_params_reach_the_server_and_cannot_replace_the_question(workspace: Workspace):
    with OpenAIServer() as server:
        sent = workspace.run(workflow(server.url, chain("go"), runtime={"params": {"top_k": 5, "seed": 1}}))
        evil = {"messages": [{"role": "user", "content": "EVIL"}]}
        refused = workspace.run(workflow(server.url, chain("go"), runtime={"params": evil}))

    assert sent.exit_code == 0, sent.log
    assert (server.requests[0].body["top_k"], server.requests[0].body["seed"]) == (5, 1)
    assert refused.exit_code == 3
    assert "params cannot have 'messages'" in refused.log


def test_files_named_by_a_glob_are_files_and_hidden_ones_too(workspace: Workspace):
    spec = workflow("http://x/v1", chain("go"))
    for name in (".github/agents/a.yaml", "b/[1].yaml"):
        workspace.write(name, spec)
    outcome = workspace.action(mode="validate", spec="**/*.yaml")

    assert outcome.exit_code == 0, outcome.log
    assert ".github/agents/a.yaml: valid" in outcome.log
    assert "b/[1].yaml: valid" in outcome.log


@pytest.mark.parametrize("arguments", [["--help"], ["run", "w.yaml"]])
def test_nobody_reading_the_output_is_no_bug(workspace: Workspace, arguments: list[str]):
    with OpenAIServer() as server:
        workspace.write("w.yaml", workflow(server.url, chain("go")))
        reader, writer = os.pipe()
        os.close(reader)
        command = [sys.executable, str(ROOT / "entrypoint.py"), *arguments]
        ended = subprocess.run(command, cwd=workspace.root, stdout=writer, stderr=subprocess.PIPE, text=True)
        os.close(writer)

    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_flag_does_not_swallow_the_file_behind_it(workspace: Workspace):
    with OpenAIServer() as server:
        workspace.write("w.yaml", workflow(server.url, chain("go")))
        outcome = workspace.command("run", "--debug", "w.yaml")
        quiet = workspace.command("run", "--trace", "false", "w.yaml")

    assert (outcome.exit_code, quiet.exit_code) == (0, 0)
    assert "Trace: " not in quiet.log
