"""The four patterns whose way a model decides, in whole runs: what they ask, what they leave, and how they end."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from runner.patterns.registry import PATTERNS
from tests.build import chain, dag, graph, optimizer, routing, way, workers
from tests.contract.test_reuse import AWS
from tests.servers import Answer, BedrockServer, OllamaServer, OpenAIServer, Request
from tests.workspace import Outcome, Workspace, parallel, workflow

SERVERS = {"openai": OpenAIServer, "bedrock": BedrockServer, "ollama": OllamaServer}
ONCE = {"failure_policy": {"retries": 0}}
Said = str | Answer | dict[str, Any] | list[Any]


class Script:
    """Answers by how the latest question begins, several of them in turn, the last of them again; others get `ok`."""

    def __init__(self, answers: dict[str, Said | Sequence[Said]]) -> None:
        self._turns = {key: iter(one if isinstance(one, tuple) else (one,)) for key, one in answers.items()}
        self._latest: dict[str, Said] = {}

    def __call__(self, request: Request) -> Answer:
        question = request.user_texts[-1]
        key = next((key for key in self._turns if question.startswith(key)), None)
        if key is None:
            return Answer("ok")
        said = self._latest[key] = next(self._turns[key], self._latest.get(key, "ok"))
        if isinstance(said, Answer):
            return said
        return Answer(said if isinstance(said, str) else json.dumps(said))


def play(workspace: Workspace, pattern: dict[str, Any], answers: dict[str, Any], **changes: Any) -> Outcome:
    """One run against a server with this script."""
    with OpenAIServer(reply=Script(answers)) as server:
        return workspace.run(workflow(server.url, pattern, **changes))


def statuses(outcome: Outcome) -> dict[str, str]:
    return {step["path"]: step["status"] for step in outcome.results["steps"]}


def arrows(outcome: Outcome) -> set[str]:
    """The edges of the picture in the summary, as `a → b`."""
    names = {
        one: label.strip() for one, label in re.findall(r'^    (s\d+)\["([^<]+)<br/>', outcome.summary, re.MULTILINE)
    }
    return {
        f"{names[a]} → {names[b]}" for a, b in re.findall(r"^    (s\d+) --> (s\d+)$", outcome.summary, re.MULTILINE)
    }


# -- a run of each ----------------------------------------------------------------------------------------------------

TASKS = {"tasks": [{"task": "Read."}, {"task": "Count."}]}
RUNS: dict[str, tuple[dict[str, Any], dict[str, Any], str, list[str], set[str]]] = {
    "routing": (
        routing(a=["Write."], b=["Sing.", "Sing better."]),
        {"Which?": {"route": "b"}, "Sing better.": "la la"},
        "la la",
        ["router", "routes.b.steps[0]", "routes.b.steps[1]"],
        {"router → routes.a.steps 0", "router → routes.b.steps 0", "routes.b.steps 0 → routes.b.steps 1"},
    ),
    "graph": (
        graph("Draft Check End", way("Draft", "Check"), way("Check", Draft="'again' in last_response", End="else")),
        {"Check": ("again", "fine"), "End": "over"},
        "over",
        ["nodes.Draft", "nodes.Check", "nodes.Draft#2", "nodes.Check#2", "nodes.End"],
        {
            "nodes.Draft → nodes.Check",
            "nodes.Check → nodes.Draft_2",
            "nodes.Draft_2 → nodes.Check_2",
            "nodes.Check_2 → nodes.End",
        },
    ),
    "evaluator_optimizer": (
        optimizer(max_iters=3),
        {"Score": ({"score": 2}, {"score": 9}), "You write.": "first", "Write a better": "second"},
        "second",
        ["producer", "evaluator", "reviser", "evaluator#2"],
        {"producer → evaluator", "evaluator → reviser", "reviser → evaluator_2"},
    ),
    "orchestrator_workers": (
        workers(reduce="Join {{ num_workers }}.", writeup="Tell: {{ reduce_response }}"),
        {"Plan.": TASKS, "Join 2.": "joined", "Tell: joined": "told"},
        "told",
        ["orchestrator", "workers[0]", "workers[1]", "reduce", "writeup"],
        {
            "orchestrator → workers 0",
            "orchestrator → workers 1",
            "workers 0 → reduce",
            "workers 1 → reduce",
            "reduce → writeup",
        },
    ),
}  # fmt: skip
EACH = pytest.mark.parametrize("name", RUNS)

WRITTEN: dict[str, tuple[dict[str, Any], dict[str, Any], str, list[str], set[str]]] = {
    "chain": (
        chain("One.", "Two: {{ last_response }}"),
        {"One.": "first", "Two: first": "second"},
        "second",
        ["steps[0]", "steps[1]"],
        {"steps 0 → steps 1"},
    ),
    "parallel": (
        parallel(a=["One."], b=["Two."], reduce={"input": "{{ branches.a.response }}, {{ branches.b.response }}"}),
        {"One.": "first", "Two.": "second", "first, second": "both"},
        "both",
        ["branches.a.steps[0]", "branches.b.steps[0]", "reduce"],
        {"branches.a.steps 0 → reduce", "branches.b.steps 0 → reduce"},
    ),
    "workflow": (
        dag({"id": "a"}, {"id": "b", "deps": ["a"], "input": "Use {{ tasks.a.response }}."}),
        {"Do a.": "first", "Use first.": "second"},
        "second",
        ["tasks.a", "tasks.b"],
        {"tasks.a → tasks.b"},
    ),
}  # fmt: skip
"""The patterns whose way is written in the file."""


def test_every_pattern_has_a_run() -> None:
    assert (RUNS | WRITTEN).keys() == PATTERNS.keys()


@pytest.mark.parametrize("provider", SERVERS)
@pytest.mark.parametrize("name", RUNS | WRITTEN)
def test_a_whole_run(workspace: Workspace, name: str, provider: str):
    pattern, answers, response, paths, edges = (RUNS | WRITTEN)[name]
    workspace.environ |= AWS
    with SERVERS[provider](reply=Script(answers)) as server:
        outcome = workspace.run(workflow(server.url, pattern, provider=provider))

    assert (outcome.exit_code, outcome.outputs["status"]) == (0, "success")
    assert outcome.outputs["response"] == outcome.results["response"] == response
    assert [path for path, status in statuses(outcome).items() if status == "success"] == paths
    assert len(server.requests) == len(paths)
    assert arrows(outcome) == edges
    assert outcome.outputs["total-tokens"] == str(15 * len(paths))
    assert [span["attributes"]["path"] for span in outcome.trace if span["name"] == "step"]


@EACH
def test_it_is_told_before_it_runs(workspace: Workspace, name: str):
    outcome = workspace.command("plan", workspace.write("workflow.yaml", workflow("http://127.0.0.1:1", RUNS[name][0])))

    assert outcome.exit_code == 0
    planned = {re.split(r"\[\d+\]$" if "workers" in path else "#", path)[0] for path in RUNS[name][3]}
    told = {line.split()[0] for line in outcome.stdout.splitlines() if line.strip()}
    assert planned <= told


def test_no_step_of_a_loop_hears_what_was_said_in_an_earlier_round(workspace: Workspace):
    with OpenAIServer(reply=Script(RUNS["graph"][1])) as server:
        workspace.run(workflow(server.url, RUNS["graph"][0]))

    assert [len(request.user_texts) for request in server.requests] == [1] * 5


@pytest.mark.parametrize(
    ("provider", "told"),
    [
        ("openai", lambda body: body["response_format"]["json_schema"]["schema"]),
        ("ollama", lambda body: body["format"]),
        ("bedrock", lambda body: json.loads(body["system"][0]["text"].split("nothing else:\n")[1])),
    ],
)
def test_a_router_is_told_the_routes(workspace: Workspace, provider: str, told: Callable[[Any], Any]):
    workspace.environ |= AWS
    with SERVERS[provider](reply=Script({"Which?": {"route": "a"}})) as server:
        workspace.run(workflow(server.url, routing(a=["x"], b=["y"]), provider=provider))

    assert told(server.requests[0].body)["properties"]["route"]["enum"] == ["a", "b"]


OUTPUTS = {
    "routing": ("{{ chosen_route }} {{ router.chosen_route }} {{ steps[1].response }}", "b b la la"),
    "graph": ("{{ terminal_node }} {{ total_steps }} {{ nodes.Check.response }} {{ iteration }}", "End 5 fine 1"),
    "evaluator_optimizer": (
        "{{ draft }} {{ iteration }} {{ evaluation.score }} {{ last_response }}",
        "second 2 9 second",
    ),
    "orchestrator_workers": (
        "{{ num_workers }} {{ round_count }} {{ workers[0].status }} {{ reduce_response }}",
        "2 1 success joined",
    ),
}  # fmt: skip


@EACH
def test_its_names_are_there_for_outputs(workspace: Workspace, name: str):
    template, value = OUTPUTS[name]
    outputs = {"step_outputs": {"told": template}, "artifacts": [{"path": "told.txt", "from": template}]}
    outcome = play(workspace, RUNS[name][0], RUNS[name][1], outputs=outputs)

    assert outcome.outputs["told"] == value
    (written,) = workspace.root.rglob("told.txt")
    assert written.read_text() == value


# -- how they end otherwise -------------------------------------------------------------------------------------------

SECOND = {
    "routing": "Sing.",
    "graph": "Check",
    "evaluator_optimizer": "Score",
    "orchestrator_workers": "Count.",
}
"""How a question in the middle of each run begins."""


def middle(name: str) -> str:
    """The path of that step."""
    places = {"routing": "routes.b.steps[0]", "graph": "nodes.Check", "evaluator_optimizer": "evaluator"}
    return places.get(name, "workers[1]")


@EACH
def test_a_step_that_fails_ends_it_and_what_finished_is_kept(workspace: Workspace, name: str):
    answers = {**RUNS[name][1], SECOND[name]: Answer(status=400)}
    outcome = play(workspace, RUNS[name][0], answers, runtime=ONCE)

    assert (outcome.exit_code, outcome.outputs["status"]) == (10, "failed")
    assert statuses(outcome)[middle(name)] == "failed"
    assert statuses(outcome)[RUNS[name][3][0]] == "success"
    assert "refused the request" in outcome.summary
    (error,) = [line for line in outcome.annotations if line.startswith("::error")]
    assert re.search(r"file=workflow\.yaml,line=\d+", error)


@EACH
def test_a_limit_on_steps_holds_inside_it(workspace: Workspace, name: str):
    outcome = play(workspace, RUNS[name][0], RUNS[name][1], runtime={"budgets": {"max_steps": 2}})

    assert (outcome.exit_code, outcome.outputs["status"]) == (20, "budget")
    assert outcome.results["steps"][0]["status"] == "success"
    assert sum(status == "success" for status in statuses(outcome).values()) <= 2
    assert "2 of 2 steps" in outcome.summary


def test_workers_that_a_limit_on_steps_allows_are_not_cut_short_by_one_too_many(workspace: Workspace):
    answers = {"Plan.": {"tasks": [{"task": f"{number}"} for number in range(9)]}}
    outcome = play(workspace, workers(), answers, runtime={"budgets": {"max_steps": 4}})

    assert outcome.exit_code == 20
    assert [(step["status"], step["attempts"]) for step in outcome.results["steps"]] == [
        *[("success", 1)] * 4, *[("skipped", 0)] * 6
    ]  # fmt: skip


@EACH
def test_a_limit_on_tokens_holds_inside_it(workspace: Workspace, name: str):
    """Room for one answer of 200 tokens and not for another."""
    runtime = {"budgets": {"max_tokens": 240}, "max_tokens": 200}
    outcome = play(workspace, RUNS[name][0], big(RUNS[name][1]), runtime=runtime)

    assert (outcome.exit_code, outcome.outputs["status"]) == (20, "budget")
    assert outcome.results["steps"][0]["status"] == "success"
    assert int(outcome.outputs["total-tokens"]) <= 240


def big(answers: dict[str, Any]) -> dict[str, Any]:
    """The same answers, each at a cost of 200 tokens."""
    return {key: tuple(map(costly, one if isinstance(one, tuple) else (one,))) for key, one in answers.items()}


def costly(said: Any) -> Answer:
    return Answer(said if isinstance(said, str) else json.dumps(said), usage=(150, 50))


@EACH
def test_a_run_that_takes_too_long_ends_inside_it(workspace: Workspace, name: str):
    answers = {**RUNS[name][1], SECOND[name]: Answer(delay=30)}
    outcome = play(workspace, RUNS[name][0], answers, runtime={"budgets": {"max_duration_s": 1}})

    assert (outcome.exit_code, outcome.outputs["status"]) == (21, "timeout")
    assert statuses(outcome)[middle(name)] == "cancelled"
    assert outcome.results["steps"][0]["status"] == "success"


@EACH
def test_a_signal_ends_it_and_what_finished_is_told(workspace: Workspace, name: str):
    script = Script({**RUNS[name][1], SECOND[name]: Answer(delay=30)})

    def answer(request: Request) -> Answer:
        if request.user_texts[-1].startswith(SECOND[name]):
            os.kill(os.getpid(), signal.SIGTERM)
        return script(request)

    with OpenAIServer(reply=answer) as server:
        outcome = workspace.run(workflow(server.url, RUNS[name][0]))

    assert (outcome.exit_code, outcome.outputs["status"]) == (130, "cancelled")
    assert statuses(outcome)[middle(name)] == "cancelled"
    assert outcome.results["steps"][0]["status"] == "success"
    assert outcome.summary
    assert outcome.trace


# -- routing ----------------------------------------------------------------------------------------------------------


def test_a_router_that_names_no_route_is_asked_again_with_what_was_wrong(workspace: Workspace):
    with OpenAIServer(reply=[Answer("zzz"), Answer('{"route": "nope"}'), Answer("b"), Answer("la")]) as server:
        outcome = workspace.run(workflow(server.url, routing(a=["x"], b=["y"])))

    assert outcome.outputs["response"] == "la"
    assert len(server.requests) == 4
    assert "Your last answer was:\nzzz" in server.requests[1].user_texts[0]
    assert "enum should be ['a', 'b']" in server.requests[2].user_texts[0]
    assert outcome.results["steps"][0]["turns"] == 3


@pytest.mark.parametrize("most", [0, 1, 3])
def test_it_is_asked_again_so_often_and_then_fails(workspace: Workspace, most: int):
    with OpenAIServer(reply="neither") as server:
        outcome = workspace.run(workflow(server.url, routing({"max_retries": most}, a=["x"], b=["y"])))

    assert (outcome.exit_code, len(server.requests)) == (10, most + 1)
    assert statuses(outcome)["routes.a.steps[0]"] == "skipped"


def test_or_takes_the_fallback(workspace: Workspace):
    pattern = routing({"max_retries": 1, "fallback": "b"}, a=["x"], b=["{{ chosen_route }}!"])
    with OpenAIServer(reply=Script({"Which?": "neither", "b!": "taken"})) as server:
        outcome = workspace.run(workflow(server.url, pattern))

    assert outcome.outputs["response"] == "taken"
    assert len(server.requests) == 3


def test_where_nothing_is_asked_again_the_fallback_is_taken_at_once(workspace: Workspace):
    runtime = {"failure_policy": {"on_malformed": "fail"}}
    with OpenAIServer(reply="neither") as server:
        outcome = workspace.run(workflow(server.url, routing({"fallback": "b"}, a=["x"], b=["y"]), runtime=runtime))

    assert outcome.outputs["status"] == "success"
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    "answer",
    [
        '{"route": "__class__"}',
        '{"route": "b; rm -rf /"}',
        '{"route": ["a"]}',
        '{"route": null}',
        '{"route": {"$ref": "#"}}',
        '{"route": "a"} or rather {"route": "b"}',
        '["a", "b"]',
        '{"choice": "a"}',
        "::error::a",
        "[" * 50_000,
    ],
)
def test_a_hostile_router_takes_no_route(workspace: Workspace, answer: str):
    outcome = play(workspace, routing({"max_retries": 0}, a=["x"], b=["y"]), {"Which?": answer})

    assert outcome.exit_code == 10
    assert set(statuses(outcome).values()) == {"failed", "skipped"}
    assert not any(line.startswith("::error::a") for line in outcome.log.splitlines())


@pytest.mark.parametrize(
    "answer",
    [
        '{"route": "b"}',
        '{"route": "b", "why": "x"}',
        '```json\n{"route": "b"}\n```',
        'I choose {"route": "b"}.',
        "b",
        "`b`",
        '"b"',
    ],
)
def test_a_route_may_be_named_in_the_ways_models_do(workspace: Workspace, answer: str):
    outcome = play(workspace, routing({"max_retries": 0}, a=["x"], b=["y"]), {"Which?": answer, "y": "taken"})

    assert outcome.outputs["response"] == "taken"


def test_a_route_may_have_the_name_of_anything(workspace: Workspace):
    outcome = play(workspace, routing(__class__=["y"], items=["x"]), {"Which?": {"route": "__class__"}, "y": "taken"})

    assert outcome.outputs["response"] == "taken"


# -- an output_schema of the file's own beside the pattern's ----------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "key", "described", "answer"),
    [
        (routing({"agent": "judge"}, a=["x"]), "route", {"type": "string"}, {"route": "elsewhere"}),
        (optimizer(evaluator={"agent": "judge"}), "score", {}, {"score": "high"}),
        (optimizer(evaluator={"agent": "judge"}), "score", {"type": "number"}, {"other": 1}),
        (workers(orchestrator={"agent": "judge"}), "tasks", {"type": "array"}, {"tasks": ["read"] * 2}),
        (workers(orchestrator={"agent": "judge"}), "tasks", {}, {"tasks": [{"task": "x"}] * 51}),
    ],
)
def test_what_the_pattern_needs_holds_as_well(
    workspace: Workspace, pattern: dict[str, Any], key: str, described: dict[str, Any], answer: dict[str, Any]
):
    schema = {"type": "object", "properties": {key: described, "other": {}}}
    agents = {"writer": {"prompt": "You write."}, "judge": {"prompt": "You judge.", "output_schema": schema}}
    outcome = play(workspace, pattern, {"Which?": answer, "Score": answer, "Plan.": answer}, agents=agents)

    assert outcome.exit_code == 10
    assert "does not satisfy output_schema at $" in outcome.log


# -- evaluator_optimizer ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "score",
    [
        "NaN",
        "Infinity",
        "1e999",
        "-1e999",
        "1" + "0" * 400,
        "-1" + "0" * 400,
        "true",
        '"9"',
        '"high"',
        "null",
        "[9]",
        "{}",
    ],
)
def test_a_score_that_is_no_number_is_none(workspace: Workspace, score: str):
    outcome = play(workspace, optimizer(), {"Score": f'{{"score": {score}}}'})

    assert outcome.exit_code == 10
    assert statuses(outcome) == {"producer": "success", "evaluator": "failed", "reviser": "skipped"}
    assert [step["turns"] for step in outcome.results["steps"]] == [1, 2, 0]


@pytest.mark.parametrize(
    ("score", "good"), [("-1e300", False), ("1e300", True), ("8.0", True), ("7.999", False), ("-0", False)]
)
def test_a_score_may_be_any_number(workspace: Workspace, score: str, good: bool):
    outcome = play(workspace, optimizer(max_iters=2, on_exhausted="fail"), {"Score": f'{{"score": {score}}}'})

    assert outcome.exit_code == (0 if good else 10)


def test_a_score_alone_is_a_score_also_without_braces_when_it_is_asked_again(workspace: Workspace):
    outcome = play(workspace, optimizer(), {"Score": ("I like it.", {"score": 9})})

    assert outcome.outputs["status"] == "success"
    assert outcome.results["steps"][1]["turns"] == 2


def test_a_draft_that_was_good_enough_is_not_revised_however_many_iterations_there_are(workspace: Workspace):
    outcome = play(workspace, optimizer(max_iters=9), {"Score": {"score": 8}})

    assert statuses(outcome) == {"producer": "success", "evaluator": "success", "reviser": "skipped"}


def test_when_no_draft_is_good_enough_the_best_is_still_the_response(workspace: Workspace):
    answers = {
        "Score": ({"score": 1}, {"score": 5}, {"score": 2}),
        "You write.": "1",
        "Write a better": ("two", "three"),
    }
    outcome = play(workspace, optimizer(max_iters=3, on_exhausted="fail"), answers)

    assert (outcome.exit_code, outcome.outputs["status"]) == (10, "failed")
    assert outcome.outputs["response"] == outcome.results["response"] == "two"
    assert "no draft of 3 reached min_score 8; the best has 5" in outcome.log


@pytest.mark.parametrize(
    ("ends", "status"), [({**ONCE}, "failed"), ({"budgets": {"max_steps": 3}}, "budget")], ids=["a failure", "a budget"]
)
def test_what_ends_a_later_round_does_not_lose_the_best_draft(
    workspace: Workspace, ends: dict[str, Any], status: str
) -> None:
    answers = {"You write.": "the first draft", "Score": ({"score": 3}, Answer(status=500)), "Write a better": "worse"}
    outcome = play(workspace, optimizer(max_iters=3), answers, runtime=ends)

    assert (outcome.outputs["status"], outcome.outputs["response"]) == (status, "the first draft")


def test_what_an_evaluator_says_is_text_and_no_template(workspace: Workspace):
    remarks = {"score": 1, "issues": ["{{ secrets }}{% for x in y %}"]}
    with OpenAIServer(reply=Script({"Score": (remarks, {"score": 9})})) as server:
        outcome = workspace.run(workflow(server.url, optimizer()))

    assert outcome.outputs["status"] == "success"
    assert "Issue: {{ secrets }}{% for x in y %}" in server.requests[2].user_texts[0]


# -- orchestrator_workers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        ({"tasks": []}, "minItems"),
        ({"tasks": [{"task": "x"}] * 1000}, "maxItems"),
        ({"tasks": [{"task": ["x"]}]}, "type"),
        ({"tasks": [{"task": ""}]}, "minLength"),
        ({"tasks": [{}]}, "'task' is a required property"),
        ({"tasks": {"task": "x"}}, "type"),
        ({"tasks": "x"}, "type"),
        ("no idea", "not the JSON"),
    ],
)
def test_tasks_that_are_none_are_asked_for_again_and_given_to_nobody(workspace: Workspace, answer: Any, wrong: str):
    with OpenAIServer(reply=answer if isinstance(answer, str) else json.dumps(answer)) as server:
        outcome = workspace.run(workflow(server.url, workers()))

    assert (outcome.exit_code, len(server.requests)) == (10, 2)
    assert wrong in outcome.log
    assert statuses(outcome) == {"orchestrator": "failed", "workers": "skipped"}


def test_a_list_without_its_object_is_what_was_meant(workspace: Workspace):
    outcome = play(workspace, workers(), {"Plan.": [{"task": "Read.", "agent": "root"}], "Read.": "done"})

    assert outcome.outputs["response"] == "done"


@pytest.mark.parametrize(("limits", "runtime", "most"), [({}, {"max_parallel": 3}, 3), ({"max_workers": 2}, {}, 2)])
def test_no_more_workers_at_once_than_either_limit(
    workspace: Workspace, limits: dict[str, int], runtime: dict[str, int], most: int
):
    tasks = {"tasks": [{"task": f"{number}"} for number in range(9)]}

    def answer(request: Request) -> Answer:
        return Answer(json.dumps(tasks)) if request.user_texts == ["Plan."] else Answer(delay=0.05)

    with OpenAIServer(reply=answer) as server:
        outcome = workspace.run(workflow(server.url, workers(limits=limits), runtime=runtime))

    assert outcome.outputs["status"] == "success"
    assert len(server.requests) == 10
    assert server.max_in_flight == most


def test_a_worker_that_fails_is_told_and_the_others_finish_where_they_may(workspace: Workspace):
    answers = {"Plan.": TASKS, "Read.": Answer(status=400), "Count.": Answer("2", delay=0.1)}
    runtime = {"failure_policy": {"retries": 0, "on_failure": "continue"}}
    outcome = play(workspace, workers(reduce="Join."), answers, runtime=runtime)

    assert outcome.exit_code == 10
    assert statuses(outcome) == {
        "orchestrator": "success", "workers[0]": "failed", "workers[1]": "success", "reduce": "skipped"
    }  # fmt: skip


def test_rounds_go_on_until_there_is_nothing_left_to_do(workspace: Workspace):
    rounds = ({"tasks": [{"task": "one"}]}, {"tasks": [{"task": "two"}]}, {"tasks": []})
    outcome = play(workspace, workers(limits={"max_rounds": 5}), {"Plan.": rounds, "one": "1", "two": "2"})

    assert outcome.outputs["response"] == "1\n\n2"
    assert [*statuses(outcome)] == [
        "orchestrator", "workers[0]", "orchestrator.again", "workers[1]", "orchestrator.again#2"
    ]  # fmt: skip
    assert "workers 0 → orchestrator.again" in arrows(outcome)


# -- steps that are skipped -------------------------------------------------------------------------------------------


def test_a_run_in_which_nothing_ran_is_skipped_and_says_so(workspace: Workspace):
    outcome = play(workspace, chain({"input": "a", "when": "false"}), {})

    assert (outcome.exit_code, outcome.outputs["status"], outcome.outputs["response"]) == (0, "skipped", "")
    assert "nothing ran" in outcome.summary


@pytest.mark.parametrize(
    "pattern",
    [
        routing(a=[{"input": "x", "when": "false"}]),
        dag({"id": "a"}, {"id": "b", "deps": ["a"], "when": "false"}),
    ],
)
def test_a_run_whose_answer_was_skipped_says_so(workspace: Workspace, pattern: dict[str, Any]):
    outcome = play(workspace, pattern, {"Which?": {"route": "a"}})

    assert (outcome.exit_code, outcome.outputs["response"]) == (0, "")
    assert "the run has no answer" in outcome.summary


def test_a_task_behind_a_skipped_one_is_skipped_unless_it_has_a_condition_of_its_own(workspace: Workspace):
    pattern = dag(
        {"id": "a", "when": "false"},
        {"id": "b", "deps": ["a"]},
        {"id": "c", "deps": ["b"]},
        {"id": "d", "deps": ["a"], "when": "tasks.a.status == 'skipped'"},
    )
    outcome = play(workspace, pattern, {"Do d.": "done"})

    assert statuses(outcome) == {"tasks.a": "skipped", "tasks.b": "skipped", "tasks.c": "skipped", "tasks.d": "success"}
    assert outcome.outputs["response"] == "done"


def test_conditions_are_asked_in_branches_and_in_reduce(workspace: Workspace):
    pattern = parallel(
        a=["A", {"input": "again", "when": "last_response == 'bad'"}],
        b=[{"input": "B", "when": "topic == 'tea'"}],
        reduce={"agent": "writer", "input": "Join.", "when": "branches.b.status == 'success'"},
    )
    inputs = {"values": {"topic": "milk"}}
    outcome = play(workspace, pattern, {"A": "bad", "again": "better"}, inputs=inputs)

    assert statuses(outcome) == {
        "branches.a.steps[0]": "success",
        "branches.a.steps[1]": "success",
        "branches.b.steps[0]": "skipped",
        "reduce": "skipped",
    }
    assert outcome.outputs["response"] == "better"


@pytest.mark.parametrize("answer", ["[]", "{}", "0", "0.0", "false", "null", '""'])
def test_data_that_is_empty_or_no_is_no_reason(workspace: Workspace, answer: str):
    steps = [{"id": "a", "input": "x", "output_schema": {}}, {"input": "y", "when": "steps.a.data"}]
    outcome = play(workspace, chain(*steps), {"x": answer})

    assert statuses(outcome)["steps[1]"] == "skipped"


def test_a_condition_that_cannot_be_told_fails_its_step(workspace: Workspace):
    steps = [{"id": "a", "input": "x"}, {"input": "y", "when": "steps.a.data.score > 1"}]
    outcome = play(workspace, chain(*steps), {"x": "text"})

    assert outcome.exit_code == 10
    assert statuses(outcome) == {"steps[0]": "success", "steps[1]": "failed"}


# -- several providers ------------------------------------------------------------------------------------------------


def test_two_agents_of_one_run_may_be_asked_at_two_providers(workspace: Workspace, monkeypatch: pytest.MonkeyPatch):
    agents = {
        "writer": {"prompt": "You write."},
        "judge": {"prompt": "You judge.", "provider": "ollama", "model_id": "o"},
    }
    with OllamaServer(reply=Script({"Score": {"score": 9}})) as judging, OpenAIServer(reply="draft") as writing:
        monkeypatch.setattr("runner.agents.providers.ollama.DEFAULT_HOST", judging.url)
        outcome = workspace.run(workflow(writing.url, optimizer(evaluator={"agent": "judge"}), agents=agents))

    assert outcome.outputs["response"] == "draft"
    assert {step["path"]: step["model"] for step in outcome.results["steps"] if step["model"]} == {
        "producer": "openai/m", "evaluator": "ollama/o"
    }  # fmt: skip
    assert outcome.outputs["clients-created"] == "2"
