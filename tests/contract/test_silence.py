"""Nothing is asked of a model any more when a run was told to stop, wherever in it that is."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.build import chain, dag, optimizer, parallel, workers
from tests.contract.test_reuse import AWS
from tests.servers import Answer, BedrockServer, OpenAIServer, Request
from tests.workspace import workflow
from tests.zygote import Asked, Zygote

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.http import ModelServer

SOAK: Final = bool(os.environ.get("STRANDS_SOAK"))
SEED: Final = random.SystemRandom().randrange(10**6)

ANSWER_S: Final = 0.03
ON_ITS_WAY_S: Final = 0.2
"""A request that was being made when the signal came arrives all the same. Every run here would go on for longer."""

MANY: Final = [{"id": f"w{number}", "task": f"Look at {number}."} for number in range(30)]
SCHEMA: Final = {"type": "object", "required": ["score"], "properties": {"score": {"type": "integer"}}}


def in_a_row(text: str, count: int = 40, **keys: Any) -> dict[str, Any]:
    return chain(*({"input": f"{text} {{{{ last_response }}}}" if at else text, **keys} for at in range(count)))


def beside(count: int, **keys: Any) -> dict[str, Any]:
    return parallel(*({"id": f"b{one}", "steps": [{"input": f"Part {one}", **keys}]} for one in range(count)))


RUNS: Final[dict[str, dict[str, Any]]] = {
    "steps in a row": {"pattern": in_a_row("Go on")},
    "steps that wait for a slot": {"pattern": beside(60), "runtime": {"max_parallel": 2}},
    "steps that wait for their conversation": {"pattern": beside(30, session="talk")},
    "tasks that others make ready": {
        "pattern": dag(*({"id": f"t{one}", "deps": [f"t{one - 1}"] if one else []} for one in range(30)))
    },
    "workers of a plan": {"pattern": workers(), "runtime": {"max_parallel": 1}},
    "attempts after failures": {
        "pattern": in_a_row("Fail"),
        "runtime": {"failure_policy": {"retries": 10, "wait_min": 0.05, "wait_max": 0.05}},
    },
    "other models": {
        "pattern": in_a_row("Fail"),
        "runtime": {
            "failure_policy": {"retries": 0},
            "fallbacks": [{"provider": "openai", "model_id": f"m{number}"} for number in range(30)],
        },
    },
    "drafts and judgements": {"pattern": optimizer(9, max_iters=30)},
    "turns of tools": {
        "pattern": in_a_row("Use it"),
        "agents": {"writer": {"prompt": "You write.", "tools": ["calculator"]}},
        "tools": {"python": ["calculator"]},
    },
    "summaries": {
        "pattern": in_a_row("Remember " + "this and that " * 100, session="talk"),
        "context_policy": {"compaction": {"enabled": True, "when_tokens_over": 500, "preserve_recent_messages": 1}},
    },
}


def answer(request: Request) -> Answer:
    asked = request.user_texts[-1]
    if asked.startswith("Fail"):
        return Answer(status=503, delay=ANSWER_S)
    if asked.startswith("Use it"):
        return Answer("", delay=ANSWER_S, tool_calls=[("calculator", {"expression": "6 * 7"})])
    if asked == "Plan.":
        return Answer(json.dumps({"tasks": MANY}), delay=ANSWER_S)
    if asked.startswith("Score"):
        return Answer('{"score": 1, "issues": ["x"], "fixes": ["y"]}', delay=ANSWER_S)
    return Answer("an answer", delay=ANSWER_S)


def stopped(zygote: Zygote, root: Path, server: ModelServer, content: Any, **how: Any) -> list[float]:
    """How long after the signal each request came of a run that is told to stop."""
    for one in content["runtime"].get("fallbacks", ()):
        one["host"] = server.url
    (root / "workflow.yaml").write_text(json.dumps(content))
    number = random.choice([signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    ended = zygote.run(Asked(["run", "workflow.yaml"], str(root), AWS, signal=number, **how))
    assert (ended.code, ended.hung) == (130, False), ended.log
    return [request.at - ended.asked for request in server.requests]


@pytest.mark.parametrize("number", range(20 if SOAK else 1))
@pytest.mark.parametrize("name", RUNS)
def test_after_a_signal_no_request_is_made(zygote: Zygote, tmp_path: Path, name: str, number: int):
    rng = random.Random(f"{SEED} {name} {number}")
    last, after_s = rng.randint(1, 6), rng.uniform(0, 0.1)

    def until_then(request: Request) -> Answer:
        if request.number == last:
            threading.Timer(after_s, (tmp_path / "stuck").touch).start()
        return answer(request)

    with OpenAIServer(until_then) as server:
        requests = stopped(zygote, tmp_path, server, workflow(server.url, **RUNS[name]))

    told = f"seed {SEED}: {after_s:.3f} s after request {last}"
    assert [at for at in requests if at > ON_ITS_WAY_S] == [], told
    assert [at for at in requests if at < 0], told


LATE_CONNECTION = """
import pathlib, time, urllib3.util.connection as made
connect = made.create_connection
def late(*given, **named):
    pathlib.Path("stuck").touch()
    time.sleep(0.35)
    return connect(*given, **named)
made.create_connection = late
"""


def test_a_call_of_bedrock_that_was_only_about_to_ask_does_not(zygote: Zygote, tmp_path: Path):
    with BedrockServer() as server:
        content = workflow(server.url, chain("go"), provider="bedrock")
        assert stopped(zygote, tmp_path, server, content, code=LATE_CONNECTION) == []
