"""Each key of the language does in a run what it is for, or is refused by name, or is words for people.

The table names every field of every shape. Each row is two files that differ in the key, run against scripted
servers, and what is seen in the one run and in the other: what was sent, what was done, or the words of a refusal. A
new field fails the test until it has a row. What a key means for plans and hashes is in tests/plan/test_config_hash.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest

from runner.agents.compacting import ASKED
from tests.agents.test_compaction import LONG
from tests.agents.test_mcp import server
from tests.build import as_text, chain, dag, graph, hitl, optimizer, parallel, routing, shapes, spec_of, way, workers
from tests.contract.rows import (
    CHANGED,
    Ran,
    Row,
    acts,
    artifacts,
    asked,
    browsed,
    collected,
    conversation,
    described,
    differences,
    ended,
    file,
    header,
    in_flight,
    of_other,
    offered,
    output,
    path,
    questions,
    refused,
    region,
    result,
    run,
    said,
    sent,
    service,
    shown,
    statuses,
    system,
    systems,
    to_post,
    told,
    values,
    warned,
    written,
)
from tests.servers import Answer, Request
from tests.workspace import Workspace, jobs_workspace

OK, FAILED, BUDGET, TIMEOUT = (0, "success"), (10, "failed"), (20, "budget"), (21, "timeout")

READERS = {
    "Spec": {
        "description": "says what the file is for",
        "metadata": "says whose it is, in the words of other tools",
        "tags": "is found by",
    },
    "Metadata": {
        "name": "a second name, for catalogues",
        "description": "says what the file is for",
        "labels": "is sorted by",
    },
    "InputDeclaration": {"description": "says what to give"},
}
"""Keys that no run can show, and what people have of each."""

# -- builders ---------------------------------------------------------------------------------------------------------

TOOLED = {"python": ["calculator", "current_time"]}
BOTH = [one["filename"] for one in CHANGED]
TWO = {"writer": {"prompt": "You write."}, "critic": {"prompt": "You judge."}}
GATE = hitl()
OPEN = (19, "paused")
BUSY = Answer(status=503)
NUMBER = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
DRINK = {"type": "string", "enum": ["tea", "milk"]}
CRITIC = {"agent": "critic"}
LABELLED = {"from": "{'labels': ['bug']}"}
MAIL = chain("Ask ann@example.com.")


def question(name: str) -> Callable[[Ran], Any]:
    """What is told of the question that is open."""
    return lambda ran: ran.outcome.results["questions"][0][name]


def waits(ran: Ran) -> float | None:
    """How many seconds the open question waits, from when it was asked."""
    until, [gate] = question("until")(ran), ran.outcome.results["steps"][1:]
    since = datetime.fromisoformat(gate["started"])
    return None if until is None else round((datetime.fromisoformat(until) - since).total_seconds())


def runtime(**keys: Any) -> dict[str, Any]:
    return file(runtime=keys)


def budget(**keys: Any) -> dict[str, Any]:
    return file(runtime={"budgets": keys}, pattern=chain("One.", "Two.", "Three."))


def policy(**keys: Any) -> dict[str, Any]:
    return runtime(failure_policy=keys)


def writer(**keys: Any) -> dict[str, Any]:
    return file(agents={"writer": keys})


def inputs(**keys: Any) -> dict[str, Any]:
    return file(inputs=keys, pattern=chain("About {{ topic }}."))


def declared(given: Any = None, **keys: Any) -> dict[str, Any]:
    """A file with an input `topic`, which has a value unless it is None."""
    return inputs(optional={"topic": keys}, values={} if given is None else {"topic": given})


def answer(template: str, **changes: Any) -> dict[str, Any]:
    """A file with the output `answer`."""
    return file(outputs={"step_outputs": {"answer": template}}, **changes)


def posted(**keys: Any) -> dict[str, Any]:
    return file(outputs={"post": keys})


def reviewed(**keys: Any) -> dict[str, Any]:
    """A file that finds something in both files of the pull request."""
    found = "{'findings': [{'path': 'src/tea.py', 'title': 'a'}, {'path': 'docs/tea.md', 'title': 'b'}]}"
    return file(outputs={"post": {"from": found, **keys}}, pattern=chain("{{ pr.diff }}"))


def comments(ran: Ran) -> int:
    return len(to_post("comments")(ran))


def artifact(**keys: Any) -> dict[str, Any]:
    return file(outputs={"artifacts": [{"path": "a.out", "from": "{{ last_response }}", **keys}]})


def secret(header: str = "{{ secrets.KEY }}", **keys: Any) -> dict[str, Any]:
    """A file whose secret goes to `WEB` in a header."""
    env = {"secrets": [{"source": "env", **keys}]} if keys else None
    return executor(headers={"X-Key": header}, env=env)


def executor(env: Any = None, **keys: Any) -> dict[str, Any]:
    one = {"id": "api", "base_url": "WEB", "allow_private": True, **keys}
    return file(tools={"http_executors": [{key: value for key, value in one.items() if value is not None}]}, env=env)


def endpoint(**keys: Any) -> dict[str, Any]:
    return executor(common_endpoints=[{"path": "/a", "description": "what it does", **keys}])


def served(id: str = "small", *, tools: Any = None, policies: Any = None, **keys: Any) -> dict[str, Any]:  # noqa: A002
    """A file with a server of tools, over stdio unless it has a `url`, which its writer names unless `tools` says
    otherwise."""
    one = {"id": id, **keys} if "url" in keys else server(id=id, **keys)
    named = [id] if tools is None else tools
    return file(tools={"mcp": [one]}, agents={"writer": {"tools": named}}, context_policy=policies)


def far(**keys: Any) -> dict[str, Any]:
    return served("far", **{"url": "FAR", "headers": {"X-Key": "k3y-of-http"}, **keys})


def skilled(**keys: Any) -> dict[str, Any]:
    return file(skills=[{"id": "drinks", "path": "tea.md", "description": "How to serve.", **keys}])


def compacted(**keys: Any) -> dict[str, Any]:
    """A file whose long conversation is summarised when that is enabled."""
    asked = {"enabled": True, "when_tokens_over": 2000, "preserve_recent_messages": 2, **keys}
    return file(context_policy={"compaction": asked}, tools=TOOLED)


def noted(**keys: Any) -> dict[str, Any]:
    return file(context_policy={"notes": {"file": "first.out", **keys}}, pattern=chain("One.", "Two.", "Three."))


def pulled(**keys: Any) -> dict[str, Any]:
    return file(context_policy={"pull_request": keys}, pattern=chain("{{ pr.diff }}"))


def guarded(tools: Any = TOOLED, **keys: Any) -> dict[str, Any]:
    return file(security={"guardrails": keys}, tools=tools, pattern=MAIL)


def traced(**keys: Any) -> dict[str, Any]:
    return file(telemetry={"otel": keys})


def waiting(host: str = "MODEL", timeout_s: float = 9, **seconds: float) -> dict[str, Any]:
    """A file whose step is asked once, with these timeouts."""
    return runtime(host=host, timeout_s=timeout_s, timeouts=seconds, failure_policy={"retries": 0})


def fallback(**keys: Any) -> dict[str, Any]:
    one = {"provider": "openai", "model_id": "spare", "host": "OTHER", **keys}
    return runtime(fallbacks=[one], failure_policy={"retries": 0})


def of(pattern: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return file(pattern=pattern, agents=TWO, **changes)


def flat(**config: Any) -> dict[str, Any]:
    """A file of an evaluator_optimizer that says beside its agents when a draft is good enough."""
    judge = {"agent": "writer", "input": "Score: {{ draft }}"}
    whole = {"producer": "writer", "evaluator": judge, "min_score": 4, **config}
    return of({"type": "evaluator_optimizer", "config": whole})


def one_step(**keys: Any) -> dict[str, Any]:
    """A step of a session, and the one that is asked last."""
    return of(chain({"input": "One.", "session": "talk"}, {"input": "Write.", **keys}), tools=TOOLED)


def one_task(**keys: Any) -> dict[str, Any]:
    rows = [{"id": "a", "input": "One.", "session": "talk"}, {"id": "b", "input": "Write.", "deps": ["a"], **keys}]
    return of(dag(*rows), tools=TOOLED)


def asked_between(**keys: Any) -> dict[str, Any]:
    """A task, and a gate that waits for it."""
    return of(dag({"id": "a"}, {"id": "b", "deps": ["a"], **GATE, **keys}))


BARE = file(agents={"writer": {"tools": []}})

# -- how the model answers --------------------------------------------------------------------------------------------


def using(name: str, **given: Any) -> list[Answer]:
    """It uses a tool, and then is done."""
    return [Answer("", tool_calls=[(name, given)]), Answer("done")]


GET, GET_SLOWLY = using("api", path="/x"), using("api", path="/slow")


def busy_with(question: str) -> Any:
    """One question it cannot answer now."""
    return lambda request: BUSY if request.user_texts[-1] == question else Answer("ok")


def calculating(request: Request) -> Answer:
    """It makes long calculations, and summarises when it is asked to."""
    if ASKED in str(request.body):
        return Answer("THE SUMMARY")
    return Answer("", tool_calls=[("calculator", LONG)]) if request.number < 12 else Answer("done")


def at_once(_: Request) -> Answer:
    """It takes its time, so that requests that may be under way at once are."""
    return Answer(delay=0.15)


TWO_TASKS = {"tasks": [{"task": "Read."}, {"task": "Count."}]}
PLANNED = {"Plan.": TWO_TASKS, "Split.": {"tasks": [{"task": "Sing."}]}}
WORKED = {**PLANNED, "Read.": Answer(delay=0.15), "Count.": Answer(delay=0.15)}
CHOSEN = {"Which?": {"route": "a"}, "Or?": {"route": "b"}}
POOR = {"Score": {"score": 5, "issues": ["dull"]}, "Judge": {"score": 9}}
WORSE = {"You write.": "first", "Write a better": "second", "Score: first": {"score": 5}, "Score: second": {"score": 4}}


def summaries(ran: Ran) -> list[Request]:
    return [request for request in ran.requests if ASKED in str(request.body)]


def first_summary(ran: Ran) -> int:
    """Which request asked for it."""
    return summaries(ran)[0].number


def results_kept(ran: Ran) -> int:
    """How many results of tools were still told behind the first summary."""
    behind = ran.requests[summaries(ran)[0].number]
    return sum(message["role"] == "tool" for message in behind.messages)


def pauses(ran: Ran) -> list[str]:
    """Seconds between attempts, as the log tells them."""
    return re.findall(r"step_retry .*wait_s=([\d.]+)", ran.outcome.log)


def succeeded(ran: Ran) -> list[str]:
    return [path for path, status in statuses(ran).items() if status == "success"]


def notes_told(ran: Ran) -> int:
    """How many notes the last request was told."""
    return system(ran).count("Asked: ")


def cached(ran: Ran) -> bool:
    """Whether the provider was asked to keep the prompt."""
    return "cache_control" in str(ran.last.body)


# -- the table --------------------------------------------------------------------------------------------------------

STEPWISE: dict[str, tuple[Any, ...]] = {
    "agent": ({"agent": "critic"}, {}, system, "You write.", "You judge."),
    "input": ({"input": "Sing."}, {}, conversation, ["Write."], ["Sing."]),
    "vars": ({"input": "Be {{ tone }}.", "vars": {"tone": "calm"}}, {"input": "Be {{ tone }}."},
             questions, [], ["One.", "Be calm."]),
    "tool_overrides": ({"tool_overrides": ["calculator"]}, {}, offered, ["calculator", "current_time"], ["calculator"]),
    "output_schema": ({"output_schema": NUMBER}, {}, output("structured"), "", '{"n": 1}', '{"n": 1}'),
    "timeout_s": ({"timeout_s": 0.1}, {}, ended, OK, FAILED, lambda _: Answer(delay=0.3)),
    "retries": ({"retries": 1}, {"retries": 0}, ended, FAILED, OK, [Answer(), BUSY, Answer()]),
    "when": ({"when": "{{ last_response == 'no' }}"}, {}, questions, ["One.", "Write."], ["One."]),
    "session": ({"session": "talk"}, {}, conversation, ["Write."], ["One.", "Write."]),
}  # fmt: skip
"""With the key, without it, what is looked at, what it is and becomes, and what the model says."""


def stepwise(make: Any) -> dict[str, Row]:
    return {
        name: acts(make(**after), look, was, now, make(**before), *reply)
        for name, (after, before, look, was, now, *reply) in STEPWISE.items()
    }


INFERENCE = {"temperature": 0.5, "top_p": 0.25, "max_tokens": 50}
DESCRIBED = {"description": "The tracker.", "response_format": "JSON lines", "authentication_info": "None needed."}

SURROUNDINGS: dict[str, dict[str, Row]] = {
    "Spec": {
        "version": refused(file(version=2), "version: 2 is not one of: 0 or 1"),
        "name": acts(file(name="other"), result("name"), "test", "other"),
        "inputs": acts(inputs(values={"topic": "tea"}), questions, [], ["About tea."], inputs()),
        "env": acts(secret(key="KEY"), header, None, "value of KEY", secret(), reply=GET),
        "telemetry": acts(file(telemetry={"otel": {"service_name": "mine"}}), service, "strands-action", "mine"),
        "context_policy": acts(file(context_policy={"notes": {"file": "n.out"}}), written("n.out"), False, True),
        "skills": acts(skilled(), offered, [], ["Skill"]),
        "tools": acts(file(tools=TOOLED), offered, [], ["calculator", "current_time"]),
        "runtime": acts(runtime(model_id="n"), sent("model"), "m", "n"),
        "agents": acts(writer(prompt="You sing."), system, "You write.", "You sing."),
        "pattern": acts(file(pattern=dag({"id": "a"})), statuses, {"steps[0]": "success"}, {"tasks.a": "success"}),
        "outputs": acts(answer("It is {{ last_response }}."), output("answer"), None, "It is ok."),
        "security": refused(guarded(allow_tools=[]), "is not one of guardrails.allow_tools",
                            file(tools=TOOLED, pattern=MAIL)),
    },
    "Env": {
        "secrets": acts(secret(key="KEY"), header, None, "value of KEY", secret(), reply=GET),
        "mounts": refused(file(env={"mounts": {"/a": "/b"}}), "env.mounts (a run's files are those of the workspace)"),
    },
    "Secret": {
        "key": acts(secret(name="KEY", key="OTHER_KEY"), header, "value of KEY", "value of OTHER_KEY",
                    secret(name="KEY"), GET),
        "name": acts(secret("{{ secrets.MINE }}", key="KEY", name="MINE"), header, None, "value of KEY",
                     secret("{{ secrets.MINE }}", key="KEY", name="YOURS"), GET),
        "source": acts(secret(key="KEY", source="file", path="first.txt"), header, "value of KEY", "the first file",
                       secret(key="KEY"), GET),
        "path": acts(secret(key="KEY", source="file", path="second.txt"), header, "the first file", "the second file",
                     secret(key="KEY", source="file", path="first.txt"), GET),
    },
    "Telemetry": {
        "otel": acts(traced(endpoint="COLLECTOR"), collected(b"workflow.execute"), False, True),
        "redact": acts(file(telemetry={"redact": {"tool_inputs": False}}), warned("redact."), False, True),
    },
    "Otel": {
        "endpoint": acts(traced(endpoint="COLLECTOR"), collected(b"workflow.execute"), False, True),
        "service_name": acts(traced(service_name="mine"), service, "strands-action", "mine"),
        "sample_ratio": acts(traced(endpoint="COLLECTOR", sample_ratio=0.0), collected(b"workflow.execute"), True,
                             False, traced(endpoint="COLLECTOR")),
    },
    "Redact": {
        name: acts(file(telemetry={"redact": {name: False}}), warned(f"redact.{name}: false changes nothing"),
                   False, True)
        for name in ("tool_inputs", "tool_outputs")
    },
    "Skill": {
        "id": acts(skilled(id="cups"), told, "Make tea.\n", "Error: there is no skill 'drinks'; there are: cups",
                   skilled(), using("Skill", skill_id="drinks")),
        "path": acts(skilled(path="milk.md"), told, "Make tea.\n", "Warm milk.\n", skilled(),
                     using("Skill", skill_id="drinks")),
        "description": acts(skilled(description="How to pour."), lambda ran: system(ran).splitlines()[-1],
                            "- drinks: How to serve.", "- drinks: How to pour.", skilled()),
        "preload_metadata": acts(skilled(preload_metadata=False), lambda ran: "drinks" in system(ran), True, False,
                                 skilled()),
    },
    "Inputs": {
        "required": refused(file(inputs={"required": {"topic": "string"}}),
                            "required variable missing: 'topic' (string)", exit_code=2),
        "optional": refused(inputs(optional={"topic": "string"}, values={"topic": 3}),
                            "'topic' should be of type string", inputs(values={"topic": 3})),
        "values": acts(inputs(values={"topic": "milk"}), questions, ["About tea."], ["About milk."],
                       inputs(values={"topic": "tea"})),
    },
    "InputDeclaration": {
        "type": refused(declared("tea", type="integer"), "'topic' should be of type integer",
                        declared("tea", type="string")),
        "default": acts(declared(type="string", default="milk"), questions, [], ["About milk."],
                        declared(type="string")),
        "enum": refused(declared("water", **DRINK), "'topic' is 'water', not one of: tea, milk",
                        declared("water", type="string")),
    },
    "Outputs": {
        "artifacts": acts(artifact(), artifacts, {}, {"a.out": "ok"}),
        "step_outputs": acts(answer("{{ last_response }}"), output("answer"), None, "ok"),
        "post": refused(posted(labels=["x" * 51]), "a label has at most 50 characters"),
    },
    "Artifact": {
        "path": acts(artifact(path="b.out"), artifacts, {"a.out": "ok"}, {"b.out": "ok"}, artifact()),
        "from_": acts(artifact(**{"from": "other"}), artifacts, {"a.out": "ok"}, {"a.out": "other"}, artifact()),
    },
    "Post": {
        "from_": acts(posted(**{"from": "name"}), to_post("body"), "ok", "test", posted()),
        "labels": acts(posted(labels=["bug"], **LABELLED), to_post("labels"), [], ["bug"], posted(**LABELLED)),
        "check": acts(posted(check="review", **LABELLED), to_post("conclusion"), None, "neutral", posted(**LABELLED)),
        "max_comments": acts(reviewed(max_comments=1), comments, 2, 1, reviewed()),
    },
    "Security": {
        "guardrails": refused(guarded(allow_tools=[]), "is not one of guardrails.allow_tools",
                              file(tools=TOOLED, pattern=MAIL, security={})),
    },
    "Guardrails": {
        "deny_network": refused(guarded({"python": ["web_fetch"]}, deny_network=True),
                                "may use the network, which guardrails.deny_network forbids",
                                guarded({"python": ["web_fetch"]})),
        "pii_redaction": acts(guarded(pii_redaction=True), questions, ["Ask ann@example.com."], ["Ask [EMAIL]."],
                              guarded()),
        "allow_tools": refused(guarded(allow_tools=["calculator"]), "'current_time' is not one of", guarded()),
    },
}  # fmt: skip

TOOLS: dict[str, dict[str, Row]] = {
    "Tools": {
        "python": acts(file(tools={"python": ["calculator"]}), offered, [], ["calculator"]),
        "http_executors": acts(executor(), offered, [], ["api"]),
        "mcp": acts(served(), lambda ran: "add" in offered(ran), False, True),
    },
    "PythonCallable": {
        "callable": acts(file(tools={"python": [{"callable": "strands_tools.calculator:calculator"}]}), offered,
                         ["current_time"], ["calculator"],
                         file(tools={"python": [{"callable": "strands_tools.current_time:current_time"}]})),
    },
    "HttpExecutor": {
        "id": acts(executor(id="tracker"), offered, ["api"], ["tracker"], executor()),
        "base_url": acts(executor(base_url="WEB/v2"), browsed, ["/x"], ["/v2/x"], executor(), GET),
        "headers": acts(executor(headers={"X-Key": "mine"}), header, None, "mine", executor(), GET),
        "timeout_ms": acts(executor(timeout_ms=100), lambda ran: "a page" in told(ran), True, False, executor(),
                           GET_SLOWLY),
        **{name: acts(executor(**{name: words}), described(words), False, True, executor())
           for name, words in DESCRIBED.items()},
        "examples": acts(executor(examples=["/issues/7"]), described("- /issues/7"), False, True, executor()),
        "common_endpoints": acts(endpoint(), described("- GET /a: what it does"), False, True, executor()),
        "allow_private": acts(executor(), said("is a loopback address"), True, False, executor(allow_private=None),
                              GET),
    },
    "CommonEndpoint": {
        "path": acts(endpoint(path="/b"), described("GET /b: what it does"), False, True, endpoint()),
        "description": acts(endpoint(description="Other."), described("GET /a: Other."), False, True, endpoint()),
        "method": acts(endpoint(method="GET"), lambda ran: "POST" in str(ran.last.body["tools"]), True, False,
                       endpoint()),
    },
    "McpServer": {
        "id": acts(served("docs", tools=["docs", "calculator"]), lambda ran: "docs_calculator" in offered(ran),
                   False, True, served(tools=["small", "calculator"])),
        "command": acts(served(command="no-such-program"), said("'no-such-program'"), False, True, served()),
        "args": acts(served(args=["-c", "exit(3)"]), said("it exited with code 3"), False, True, served()),
        "env": acts(served(env={"LANG": "xx_XX"}), lambda ran: "xx_XX" in told(ran), False, True, served(),
                    using("env")),
        "url": acts(far(), said("http://127.0.0.1:1/mcp"), True, False, far(url="http://127.0.0.1:1/mcp")),
        "headers": acts(far(), said("HTTP 401"), True, False, far(headers={})),
        "timeout_s": acts(far(timeout_s=0.8), told, "done", "Error: no result within 0.8 s", far(),
                          using("slow", seconds=1.1)),
    },
    "ContextPolicy": {
        "compaction": acts(compacted(), lambda ran: len(summaries(ran)) > 0, False, True, file(tools=TOOLED),
                           calculating),
        "notes": acts(noted(), notes_told, 0, 2, file(pattern=chain("One.", "Two.", "Three."))),
        "retrieval": acts(file(agents={"writer": {"tools": []}}, context_policy={
            "retrieval": {"jit_tools": ["calculator"]}}), offered, [], ["calculator"], BARE),
        "pull_request": acts(pulled(ignore=["docs/"]), shown, [*BOTH, *BOTH], [*BOTH, BOTH[0]],
                             file(pattern=chain("{{ pr.diff }}"))),
    },
    "PullRequest": {
        "max_tokens": acts(pulled(max_tokens=2_000), shown, [*BOTH, *BOTH], BOTH, pulled()),
        "ignore": acts(pulled(ignore=["docs/"]), shown, [*BOTH, *BOTH], [*BOTH, BOTH[0]], pulled()),
        "incremental": acts(pulled(incremental=True), shown, [*BOTH, *BOTH], [BOTH[1], BOTH[1]], pulled()),
    },
    "Compaction": {
        "enabled": acts(compacted(), lambda ran: len(summaries(ran)) > 0, False, True, compacted(enabled=False),
                        calculating),
        "when_tokens_over": acts(compacted(when_tokens_over=4000), first_summary, 5, 9, compacted(), calculating),
        "summary_ratio": acts(compacted(summary_ratio=0.8), results_kept, 3, 1, compacted(), calculating),
        "preserve_recent_messages": acts(compacted(summary_ratio=1.0, preserve_recent_messages=4), results_kept, 1, 2,
                                         compacted(summary_ratio=1.0), calculating),
        "summarization_model": acts(compacted(summarization_model="small"), lambda ran: summaries(ran)[0].model,
                                    "m", "small", compacted(), calculating),
    },
    "Notes": {
        "file": acts(noted(file="second.out"), lambda ran: set(artifacts(ran)), {"first.out"}, {"second.out"}, noted()),
        "include_last": acts(noted(include_last=1), notes_told, 2, 1, noted()),
        "format": acts(noted(format="json"), lambda ran: artifacts(ran)["first.out"][:2], "##", '{"', noted()),
    },
    "Retrieval": {
        "jit_tools": acts(file(agents={"writer": {"tools": []}}, context_policy={
            "retrieval": {"jit_tools": ["calculator"]}}), offered, [], ["calculator"], BARE),
        "mcp_servers": acts(served(tools=[], policies={"retrieval": {"mcp_servers": ["small"]}}),
                            lambda ran: "add" in offered(ran), False, True, served(tools=[])),
    },
}  # fmt: skip

RUNTIME: dict[str, dict[str, Row]] = {
    "Budgets": {
        "max_tokens": acts(budget(max_tokens=20), ended, OK, BUDGET, budget()),
        "max_steps": acts(budget(max_steps=2), statuses, dict.fromkeys(("steps[0]", "steps[1]", "steps[2]"), "success"),
                          {"steps[0]": "success", "steps[1]": "success", "steps[2]": "skipped"}, budget()),
        "max_duration_s": acts(budget(max_duration_s=0.2), ended, OK, TIMEOUT, budget(), lambda _: Answer(delay=0.15)),
        "max_cost_usd": refused(budget(max_cost_usd=1), "max_cost_usd cannot be kept: no price for openai/", budget()),
        "warn_threshold": acts(budget(max_steps=4, warn_threshold=0.5), warned("2 of 4 steps are spent"), False, True,
                               budget(max_steps=4)),
    },
    "FailurePolicy": {
        "retries": acts(policy(retries=3), asked, 1, 4, policy(retries=0), lambda _: BUSY),
        "backoff": acts(policy(wait_min=0.1, backoff="constant"), pauses, ["0.1", "0.2"], ["0.1", "0.1"],
                        policy(wait_min=0.1), lambda _: BUSY),
        "wait_min": acts(policy(retries=1, wait_min=0.1), pauses, ["0.01"], ["0.1"], policy(retries=1), lambda _: BUSY),
        "wait_max": acts(policy(retries=1, wait_max=0.1), said("longer than wait_max (0.1 s)"), False, True,
                         policy(retries=1), lambda _: Answer(status=503, headers={"retry-after": "0.2"})),
        "on_malformed": acts(
            file(agents={"writer": {"output_schema": NUMBER}}, runtime={"failure_policy": {"on_malformed": "fail"}}),
            asked, 2, 1, file(agents={"writer": {"output_schema": NUMBER}}), ["no", '{"n": 1}']),
        "on_failure": acts(
            file(pattern=dag({"id": "a"}, {"id": "b"}), runtime={"max_parallel": 1, "failure_policy": {
                "on_failure": "continue", "retries": 0}}), succeeded, [], ["tasks.b"],
            file(pattern=dag({"id": "a"}, {"id": "b"}), runtime={"max_parallel": 1, "failure_policy": {"retries": 0}}),
            busy_with("Do a.")),
    },
    "Timeouts": {
        "connect_s": acts(waiting(host="DEAF", timeout_s=0.5, connect_s=0.1), said("(timeouts.connect_s)"), False, True,
                          waiting(host="DEAF", timeout_s=0.5)),
        "first_token_s": acts(waiting(first_token_s=0.1), said("(timeouts.first_token_s)"), False, True,
                              waiting(first_token_s=9), lambda _: Answer(delay=0.2)),
        "between_tokens_s": acts(waiting(between_tokens_s=0.1), said("(timeouts.between_tokens_s)"), False, True,
                                 waiting(between_tokens_s=9), lambda _: Answer(chunk_delay=0.2)),
    },
    "Inference": {name: acts(file(runtime={name: 1}, agents={"writer": {"inference": {name: value}}}), sent(name), 1,
                             value, runtime(**{name: 1}))
                  for name, value in INFERENCE.items()},
    "Runtime": {
        **{name: acts(runtime(**{name: value}), sent(name), None, value) for name, value in INFERENCE.items()},
        "provider": acts(runtime(provider="ollama"), path, "/v1/chat/completions", "/api/chat"),
        "model_id": acts(runtime(model_id="n"), sent("model"), "m", "n"),
        "region": acts(runtime(provider="bedrock", region="eu-west-1"), region, "us-east-1", "eu-west-1",
                       runtime(provider="bedrock")),
        "host": acts(runtime(host="OTHER"), of_other(questions), None, ["Write."]),
        "params": acts(runtime(params={"seed": 7}), sent("seed"), None, 7),
        "max_parallel": acts(file(pattern=parallel(a="A.", b="B.", c="C."), runtime={"max_parallel": 2}), in_flight,
                             3, 2, file(pattern=parallel(a="A.", b="B.", c="C.")), at_once),
        "budgets": acts(budget(max_steps=2), ended, OK, BUDGET, budget()),
        "failure_policy": acts(policy(retries=0), asked, 3, 1, reply=lambda _: BUSY),
        "prompt_cache": acts(runtime(provider="anthropic", prompt_cache="auto"), cached, False, True,
                             runtime(provider="anthropic")),
        "timeout_s": acts(runtime(timeout_s=0.1), ended, OK, FAILED, reply=lambda _: Answer(delay=0.3)),
        "timeouts": acts(waiting(first_token_s=0.1), ended, OK, FAILED, waiting(first_token_s=9),
                         lambda _: Answer(delay=0.2)),
        "fallbacks": acts(fallback(), output("response"), "", "from the other", policy(retries=0), lambda _: BUSY),
    },
    "Endpoint": {
        **{name: acts(fallback(**{name: value}), of_other(sent(name)), None, value, fallback(), lambda _: BUSY)
           for name, value in INFERENCE.items()},
        "provider": acts(fallback(provider="ollama"), of_other(path), "/v1/chat/completions", "/api/chat", fallback(),
                         lambda _: BUSY),
        "model_id": acts(fallback(model_id="n"), of_other(sent("model")), "spare", "n", fallback(), lambda _: BUSY),
        "params": acts(fallback(params={"seed": 7}), of_other(sent("seed")), None, 7, fallback(), lambda _: BUSY),
        "host": acts(fallback(), of_other(questions), None, ["Write."], fallback(host="MODEL"), lambda _: BUSY),
        "region": acts(fallback(provider="bedrock", region="eu-west-1"), of_other(region), "us-east-1", "eu-west-1",
                       fallback(provider="bedrock"), lambda _: BUSY),
    },
    "Agent": {
        "ref": acts(writer(**{"prompt": None, "$ref": "agents/editor.yaml"}), system, "You judge.", "You edit.",
                    writer(**{"prompt": None, "$ref": "agents/critic.yaml"})),
        "prompt": acts(writer(prompt="You sing."), system, "You write.", "You sing."),
        "tools": acts(file(tools=TOOLED, agents={"writer": {"tools": ["calculator"]}}), offered,
                      ["calculator", "current_time"], ["calculator"], file(tools=TOOLED)),
        # Nothing answers at the address that ollama has by itself, or something does: it is what was asked.
        "provider": acts(writer(provider="ollama", model_id="m"), lambda ran: [
            asked(ran), ran.outcome.results["steps"][0]["model"]], [1, "openai/m"], [0, "ollama/m"],
                         writer(model_id="m")),
        "model_id": acts(writer(model_id="n"), sent("model"), "m", "n"),
        "inference": acts(writer(inference={"temperature": 0.5}), sent("temperature"), None, 0.5),
        "input_schema": acts(writer(input_schema=NUMBER), said("the agent's input_schema at $"), False, True),
        "output_schema": acts(writer(output_schema=NUMBER), output("structured"), "", '{"n": 1}', reply='{"n": 1}'),
    },
}  # fmt: skip

LOOP = graph("a", way("a", "a"), max_iterations=2)
PATTERNS: dict[str, dict[str, Row]] = {
    "Ask": {
        "agent": acts(of(graph({"a": {**CRITIC, "input": "a"}})), system, "You write.", "You judge.", of(graph("a"))),
        "input": acts(of(graph({"a": "Sing."})), questions, ["a"], ["Sing."], of(graph("a"))),
    },
    "Step": {
        **stepwise(one_step),
        "id": acts(answer("{{ steps.mine.response }}", pattern=chain({"id": "mine", "input": "Write."})),
                   output("answer"), None, "ok", answer("{{ steps.mine.response }}")),
    },
    "Task": {
        **stepwise(one_task),
        "id": acts(of(dag({"id": "b", "input": "A."})), statuses, {"tasks.a": "success"}, {"tasks.b": "success"},
                   of(dag({"id": "a", "input": "A."}))),
        "deps": acts(of(dag({"id": "a"}, {"id": "b", "deps": ["a"]})), in_flight, 2, 1,
                     of(dag({"id": "a"}, {"id": "b"})), at_once),
        "description": acts(
            of({"type": "workflow", "config": {"tasks": [{"id": "a", "agent": "writer", "description": "New."}]}}),
            questions, ["Old."], ["New."],
            of({"type": "workflow", "config": {"tasks": [{"id": "a", "agent": "writer", "description": "Old."}]}})),
    },
    "ChainConfig": {"steps": acts(of(chain("A.", "B.")), questions, ["A."], ["A.", "B."], of(chain("A.")))},
    "Chain": {
        "type": acts(of(chain("Do a.")), statuses, {"tasks.a": "success"}, {"steps[0]": "success"},
                     of(dag({"id": "a"}))),
        "config": acts(of(chain("B.")), questions, ["A."], ["B."], of(chain("A."))),
    },
    "Branch": {
        "id": acts(of(parallel(b="A.")), statuses, {"branches.a.steps[0]": "success"},
                   {"branches.b.steps[0]": "success"}, of(parallel(a="A."))),
        "steps": acts(of(parallel({"id": "a", "steps": ["A.", "B."]})), questions, ["A."], ["A.", "B."],
                      of(parallel(a="A."))),
    },
    "ParallelConfig": {
        "branches": acts(of(parallel(a="A.", b="B.")), in_flight, 1, 2, of(parallel(a="A.")), at_once),
        "reduce": acts(of(parallel(a="A.", reduce="Join {{ branches.a.response }}.")), questions, ["A."],
                       ["A.", "Join ok."], of(parallel(a="A."))),
    },
    "Parallel": {
        "type": acts(of(parallel(a="A.", b="B.")), in_flight, 1, 2, of(chain("A.", "B.")), at_once),
        "config": acts(of(parallel(a="B.")), questions, ["A."], ["B."], of(parallel(a="A."))),
    },
    "WorkflowConfig": {
        "tasks": acts(of(dag({"id": "a"}, {"id": "b"})), in_flight, 1, 2, of(dag({"id": "a"})), at_once),
    },
    "Workflow": {
        "type": acts(of(dag({"id": "a"})), statuses, {"steps[0]": "success"}, {"tasks.a": "success"}, of(chain("A."))),
        "config": acts(of(dag({"id": "b"})), questions, ["Do a."], ["Do b."], of(dag({"id": "a"}))),
    },
    "Routing": {
        "type": acts(of(routing(a=["A."], b=["B."])), questions, ["A."], ["Which?", "A."], of(chain("A.")), CHOSEN),
        "config": acts(of(routing(a=["C."])), questions, ["Which?", "A."], ["Which?", "C."], of(routing(a=["A."])),
                       CHOSEN),
    },
    "RoutingConfig": {
        "router": acts(of(routing({"input": "Or?"}, a=["A."], b=["B."])), questions, ["Which?", "A."], ["Or?", "B."],
                       of(routing(a=["A."], b=["B."])), CHOSEN),
        "routes": acts(of(routing(a=["A."], b=["B."])), ended, FAILED, OK, of(routing(a=["A."])),
                       {"Which?": {"route": "b"}}),
    },
    "Router": {
        "agent": acts(of(routing(CRITIC, a=["A."])), systems, ["You write."] * 2, ["You judge.", "You write."],
                      of(routing(a=["A."])), CHOSEN),
        "input": acts(of(routing({"input": "Or?"}, a=["A."], b=["B."])), questions, ["Which?", "A."], ["Or?", "B."],
                      of(routing(a=["A."], b=["B."])), CHOSEN),
        "max_retries": acts(of(routing({"max_retries": 0}, a=["A."])), asked, 3, 1, of(routing(a=["A."])), "neither"),
        "fallback": acts(of(routing({"fallback": "b"}, a=["A."], b=["B."])), ended, FAILED, OK,
                         of(routing(a=["A."], b=["B."])), "neither"),
        "review_router": acts(of(routing({"review_router": GATE}, a=["A."])), ended, OK, OPEN, of(routing(a=["A."])),
                              CHOSEN),
    },
    "Route": {"then": acts(of(routing(a=["A.", "B."])), questions, ["Which?", "A."], ["Which?", "A.", "B."],
                           of(routing(a=["A."])), CHOSEN)},
    "Graph": {
        "type": acts(of(graph("a")), statuses, {"steps[0]": "success"}, {"nodes.a": "success"}, of(chain("a"))),
        "config": acts(of(graph("b")), questions, ["a"], ["b"], of(graph("a"))),
    },
    "GraphConfig": {
        "nodes": acts(of(graph({"a": "Sing."})), questions, ["a"], ["Sing."], of(graph("a"))),
        "edges": acts(of(graph("a b", way("a", "b"))), questions, ["a"], ["a", "b"], of(graph("a b"))),
        "max_iterations": acts(of(LOOP), asked, 10, 2, of(graph("a", way("a", "a")))),
        "on_no_match": acts(of(graph("a b", way("a", b="false"), on_no_match="fail")), ended, OK, FAILED,
                            of(graph("a b", way("a", b="false")))),
        "on_max_iterations": acts(of(graph("a", way("a", "a"), max_iterations=2, on_max_iterations="end")), ended,
                                  FAILED, OK, of(LOOP)),
    },
    "Edge": {
        "from_": acts(of(graph("a b", way("b", "a"))), questions, ["a", "b"], ["a"], of(graph("a b", way("a", "b")))),
        "to": acts(of(graph("a b c", way("a", "c"))), questions, ["a", "b"], ["a", "c"],
                   of(graph("a b c", way("a", "b")))),
        "choose": acts(of(graph("a b c", way("a", c="true"))), questions, ["a", "b"], ["a", "c"],
                       of(graph("a b c", way("a", "b")))),
    },
    "Choice": {
        "when": acts(of(graph("a b c", way("a", b="last_response == 'no'", c="else"))), questions, ["a", "b"],
                     ["a", "c"], of(graph("a b c", way("a", b="last_response == 'ok'", c="else")))),
        "to": acts(of(graph("a b c", way("a", c="true"))), questions, ["a", "b"], ["a", "c"],
                   of(graph("a b c", way("a", b="true")))),
    },
    "EvaluatorOptimizer": {
        "type": acts(of(optimizer(4)), statuses, {"steps[0]": "success"},
                     {"producer": "success", "evaluator": "success", "reviser": "skipped"}, of(chain("A.")), POOR),
        "config": acts(of(optimizer(6)), asked, 2, 6, of(optimizer(4)), POOR),
    },
    "EvaluatorOptimizerConfig": {
        "producer": acts(flat(producer="critic"), questions, ["You write.", "Score: ok"], ["You judge.", "Score: ok"],
                         flat(), POOR),
        "evaluator": acts(of(optimizer(evaluator={"input": "Judge."})), asked, 6, 2, of(optimizer()), POOR),
        "accept": acts(of(optimizer(6)), asked, 2, 6, of(optimizer(4)), POOR),
        "min_score": acts(flat(min_score=6), asked, 2, 6, flat(), POOR),
        "max_iters": acts(flat(min_score=6, max_iters=2), asked, 6, 4, flat(min_score=6), POOR),
        "revise_prompt": acts(of(optimizer(revise_prompt="Not {{ evaluation.issues[0] }}!", max_iters=2)),
                              lambda ran: questions(ran)[2][:9], "Write a b", "Not dull!", of(optimizer(max_iters=2)),
                              POOR),
        "review_gate": acts(flat(review_gate=GATE, min_score=6), asked, 6, 2, flat(min_score=6), POOR),
    },
    "Accept": {
        "min_score": acts(of(optimizer(6)), asked, 2, 6, of(optimizer(4)), POOR),
        "max_iters": acts(of(optimizer(max_iters=2)), asked, 6, 4, of(optimizer()), POOR),
        "on_exhausted": acts(of(optimizer(max_iters=2, on_exhausted="accept_last")), output("response"), "first",
                             "second", of(optimizer(max_iters=2)), WORSE),
    },
    "OrchestratorWorkers": {
        "type": acts(of(workers()), questions, ["Plan."], ["Plan.", "Read.", "Count."], of(chain("Plan.")), PLANNED),
        "config": acts(of(workers(writeup="Tell.")), asked, 3, 4, of(workers()), PLANNED),
    },
    "OrchestratorWorkersConfig": {
        "orchestrator": acts(of(workers(orchestrator={"input": "Split."})), questions, ["Plan.", "Read.", "Count."],
                             ["Split.", "Sing."], of(workers()), PLANNED),
        "worker_template": acts(of(workers(template=CRITIC)), systems, ["You write."] * 3,
                                ["You write.", "You judge.", "You judge."], of(workers()), PLANNED),
        "decomposition_review": acts(of(workers(decomposition_review=GATE)), questions, ["Plan.", "Read.", "Count."],
                                     ["Plan."], of(workers()), PLANNED),
        "reduce_review": acts(of(workers(reduce="Join.", reduce_review=GATE)), lambda ran: questions(ran)[3:],
                              ["Join."], [], of(workers(reduce="Join.")), PLANNED),
        "reduce": acts(of(workers(reduce="Join {{ num_workers }}.")), lambda ran: questions(ran)[3:], [], ["Join 2."],
                       of(workers()), PLANNED),
        "writeup": acts(of(workers(writeup="Tell.")), lambda ran: questions(ran)[3:], [], ["Tell."], of(workers()),
                        PLANNED),
    },
    "Orchestrator": {
        "agent": acts(of(workers(orchestrator=CRITIC)), systems, ["You write."] * 3,
                      ["You judge.", "You write.", "You write."], of(workers()), PLANNED),
        "input": acts(of(workers(orchestrator={"input": "Split."})), questions, ["Plan.", "Read.", "Count."],
                      ["Split.", "Sing."], of(workers()), PLANNED),
        "limits": acts(of(workers(limits={"max_workers": 1})), in_flight, 2, 1, of(workers()), WORKED),
    },
    "OrchestratorLimits": {
        "max_workers": acts(of(workers(limits={"max_workers": 1})), in_flight, 2, 1, of(workers()), WORKED),
        "max_rounds": acts(of(workers(limits={"max_rounds": 2})), asked, 3, 6, of(workers()), PLANNED),
        "max_tasks": acts(of(workers(limits={"max_tasks": 1})), ended, OK, FAILED, of(workers()), PLANNED),
        "on_exhausted": acts(of(workers(limits={"on_exhausted": "fail"})), ended, OK, FAILED, of(workers()), PLANNED),
    },
    "WorkerTemplate": {
        "agent": acts(of(workers(template=CRITIC)), systems, ["You write."] * 3,
                      ["You write.", "You judge.", "You judge."], of(workers()), PLANNED),
        "tools": acts(of(workers(template={"tools": ["calculator"]}), tools=TOOLED), offered,
                      ["calculator", "current_time"], ["calculator"], of(workers(), tools=TOOLED), PLANNED),
    },
    "Gate": {
        "type": acts(of(chain("A.", GATE)), ended, OK, OPEN, of(chain("A."))),
        "prompt": acts(of(chain("A.", hitl("Print {{ last_response }}?"))), question("prompt"), "Go on?", "Print ok?",
                       of(chain("A.", GATE))),
        "context_display": acts(of(chain("A.", hitl(context_display="{{ steps[0].response }}"))), question("context"),
                                "", "ok", of(chain("A.", GATE))),
        "default": acts(of(chain("A.", hitl(default="yes"))), question("default"), None, "yes", of(chain("A.", GATE))),
        "timeout_seconds": acts(of(chain("A.", hitl(timeout_seconds=9))), waits, None, 9, of(chain("A.", GATE))),
    },
    "GateTask": {
        "type": acts(asked_between(), ended, OK, OPEN, of(dag({"id": "a"}))),
        "prompt": acts(asked_between(prompt="Print {{ last_response }}?"), question("prompt"), "Go on?", "Print ok?",
                       asked_between()),
        "context_display": acts(asked_between(context_display="{{ tasks.a.response }}"), question("context"), "", "ok",
                                asked_between()),
        "default": acts(asked_between(default="yes"), question("default"), None, "yes", asked_between()),
        "timeout_seconds": acts(asked_between(timeout_seconds=9), waits, None, 9, asked_between()),
        "id": acts(asked_between(id="c"), question("path"), "tasks.b", "tasks.c", asked_between()),
        "deps": acts(of(dag(hitl(id="a"), hitl(id="b", deps=["a"]))), statuses,
                     {"tasks.a": "paused", "tasks.b": "paused"}, {"tasks.a": "paused", "tasks.b": "skipped"},
                     of(dag(hitl(id="a"), hitl(id="b")))),
    },
}  # fmt: skip

TABLE = SURROUNDINGS | TOOLS | RUNTIME | PATTERNS
ROWS = [pytest.param(row, id=f"{shape}.{name}") for shape, rows in TABLE.items() for name, row in rows.items()]
NAMED = [(shape, name, row) for shape, rows in TABLE.items() for name, row in rows.items()]

COMPANIONS = {
    **{f"{shape}.type": "config" for shape in PATTERNS},  # each pattern has a config of its own
    "Gate.type": "steps",  # what has no type is a step, and has no keys of a gate
    "GateTask.type": "tasks",
    "Secret.source": "path",  # a file is found by its path
    "Tools.mcp": "tools",  # an agent has the servers that it names
    "McpServer.id": "tools",
    "Edge.from_": "to",  # or the edge would lead to where it starts
    "Edge.choose": "to",  # an edge has either
}
"""What the two files of a row cannot but differ in besides their key."""


@pytest.fixture(scope="module")
def once() -> Iterator[Callable[[dict[str, Any], Any], Ran]]:
    """The run of a file and a reply. Many rows begin with the same, which is run for the first of them."""
    workspaces = contextlib.ExitStack()
    found: dict[tuple[str, int], Ran] = {}

    def ran(written: dict[str, Any], reply: Any) -> Ran:
        key = as_text(written), id(reply)
        if key not in found:
            found[key] = run(workspaces.enter_context(jobs_workspace()), written, reply)
        return found[key]

    with workspaces:
        yield ran


def test_every_key_has_a_row_or_is_for_readers() -> None:
    table = {shape: sorted([*TABLE.get(shape, ()), *READERS.get(shape, ())]) for shape in TABLE.keys() | READERS.keys()}
    assert table == {name: sorted(shape.model_fields) for name, shape in shapes().items()}


@pytest.mark.parametrize(("shape", "name", "row"), NAMED, ids=lambda one: one if isinstance(one, str) else "")
def test_the_files_of_a_row_differ_in_its_key_and_in_nothing_else(shape: str, name: str, row: Row) -> None:
    if shape == "Spec":  # which refuses a version before there is a shape
        assert row.before.get(name) != row.after.get(name)
    else:
        assert values(spec_of(row.before), shape, name) != values(spec_of(row.after), shape, name)
    alias = shapes()[shape].model_fields[name].validation_alias
    known = {alias if isinstance(alias, str) else name, COMPANIONS.get(f"{shape}.{name}")}
    assert [where for where in differences(row.before, row.after) if not known & {*where}] == []


@pytest.mark.parametrize("row", ROWS)
def test_a_key_does_what_it_is_for(once: Callable[[dict[str, Any], Any], Ran], row: Row) -> None:
    assert row.was != row.now
    assert row.look(once(row.before, row.reply)) == row.was
    assert row.look(once(row.after, row.reply)) == row.now


def test_what_is_for_readers_changes_nothing(workspace: Workspace) -> None:
    """Neither what is sent nor what comes of it."""
    words = {"description": "d", "metadata": {"name": "n", "description": "d", "labels": {"a": "b"}}, "tags": ["t"]}
    topic = {"type": "string", "default": "tea"}
    plain = inputs(optional={"topic": topic})
    for_readers = {**inputs(optional={"topic": {**topic, "description": "what it is about"}}), **words}
    without = run(Workspace(workspace.root / "without"), plain, "ok")
    with_them = run(Workspace(workspace.root / "with"), for_readers, "ok")

    assert [one.body for one in with_them.requests] == [one.body for one in without.requests]
    for name in ("status", "response", "steps-run", "config-hash"):
        assert output(name)(with_them) == output(name)(without)
