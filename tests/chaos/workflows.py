"""Workflows by seed, and what their models answer: every pattern, with tools, data, sessions and fallbacks.

A question says in brackets what kind of answer it wants and from which step it comes: `[data steps1] …`. The answer is
a function of the question and of all that was said before it, and of nothing else: so whoever is asked, how often and
in which order, a step that was told something wrong answers something else.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from hashlib import sha256
from random import Random
from typing import TYPE_CHECKING, Any, Final

from tests import build
from tests.build import chain, dag, graph, optimizer, parallel, routing, way, workers
from tests.servers import Answer
from tests.servers.http import text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.servers import Request

PROVIDERS: Final = ("openai", "anthropic", "bedrock", "gemini", "ollama", "azure_openai")
STEP_S: Final = 1.0
"""What a stall costs a step where only that has an end."""

SILENCE_S: Final = 0.6
"""What it costs an attempt where a model has deadlines of its own; the step has time for all of them."""

RUN_S: Final = 20.0
USAGE: Final = (11, 7)

# -- what is asked ----------------------------------------------------------------------------------------------------

SCHEMA: Final = {
    "type": "object",
    "properties": {"id": {"type": "string"}, "n": {"type": "integer"}},
    "required": ["id", "n"],
}
AGENTS: Final[Mapping[str, Any]] = {
    "writer": {"prompt": "You write.", "tools": []},
    "counter": {"prompt": "You count.", "tools": ["calculator"]},
    "clerk": {"prompt": "You keep records.", "tools": [], "output_schema": SCHEMA},
    "drafter": {"prompt": "[plain draft] Write one.", "tools": []},
}
BY_KIND: Final = {"plain": "writer", "tool": "counter", "data": "clerk"}


@dataclass(frozen=True)
class Case:
    """One workflow file. `model` is who it asks, and `model`-b who is asked when that one is not there."""

    seed: int
    provider: str
    pattern: str
    content: dict[str, Any]
    step_s: float
    timeout_s: float

    @property
    def name(self) -> str:
        return f"seed {self.seed} ({self.pattern} at {self.provider})"


def case_of(seed: int, hosts: Mapping[str, str], model: str, step_s: float = STEP_S) -> Case:
    """The workflow of a seed, asking `model` at these hosts, with so much time for a step. Six times seven seeds in a
    row have all combinations."""
    random = Random(f"workflow {seed}")
    provider, pattern = PROVIDERS[seed % 6], [*PATTERNS][seed // 6 % 7]
    runtime: dict[str, Any] = {
        "provider": provider,
        "model_id": model,
        "host": hosts[provider],
        "max_parallel": random.randint(1, 4),
        "timeout_s": step_s,
        "failure_policy": {
            "retries": 3,
            "wait_min": 0.01,
            "wait_max": 0.3,
            "backoff": random.choice(["constant", "exponential", "jittered"]),
            "on_failure": random.choice(["fail_fast", "continue"]),
        },
    }
    if random.random() < 0.6 and step_s == STEP_S:
        runtime["timeouts"] = {"first_token_s": SILENCE_S, "between_tokens_s": SILENCE_S}
        runtime["timeout_s"] = 10.0
    if random.random() < 0.3:
        other = random.choice(PROVIDERS)
        runtime["fallbacks"] = [{"provider": other, "model_id": f"{model}-b", "host": hosts[other]}]
    if random.random() < 0.3:
        runtime["budgets"] = {"max_tokens": 100_000}
    content = build.workflow(
        name=f"chaos-{seed}", runtime=runtime, agents=dict(AGENTS), pattern=PATTERNS[pattern](random)
    )
    timeout_s = RUN_S if random.random() < 0.9 else random.uniform(0.3, 1.2)
    return Case(seed, provider, pattern, content, runtime["timeout_s"], timeout_s)


def step(random: Random, label: str, about: str = "the sea", kind: str | None = None, **more: Any) -> dict[str, Any]:
    kind = kind or random.choice(["plain", "plain", "tool", "data"])
    return {"agent": BY_KIND[kind], "input": f"[{kind} {label}] about {about}", **more}


def a_chain(random: Random) -> dict[str, Any]:
    first = step(random, "s0")
    rest = [step(random, f"s{at}", "{{ last_response }}") for at in range(1, random.randint(2, 4))]
    talking = [{**one, "session": "talk"} for one in rest] if random.random() < 0.5 else rest
    return chain(first, *talking)


def a_parallel(random: Random) -> dict[str, Any]:
    names = "abcd"[: random.randint(2, 4)]
    talking = random.random() < 0.3
    branches: list[dict[str, Any]] = []
    for name in names:
        more = {"session": name} if talking else {}
        steps = [step(random, f"{name}{at}", **more) for at in range(random.randint(1, 2))]
        branches.append({"id": name, "steps": steps})
    told = " ".join(f"{{{{ branches.{name}.response }}}}" for name in names)
    return parallel(*branches, reduce=step(random, "all", told) if random.random() < 0.7 else None)


def a_dag(random: Random) -> dict[str, Any]:
    names, tasks = "abcde"[: random.randint(3, 5)], []
    for at, name in enumerate(names):
        deps = sorted(random.sample(names[:at], random.randint(0, min(at, 2))))
        about = " ".join(f"{{{{ tasks.{one}.response }}}}" for one in deps) or "the sea"
        tasks.append({**step(random, name, about), "id": name, "deps": deps})
    return dag(*tasks)


def a_routing(random: Random) -> dict[str, Any]:
    router = {"agent": "writer", "input": "[route which] a,b", "max_retries": 1}
    routes = {name: [step(random, f"{name}0"), step(random, f"{name}1", "{{ last_response }}")] for name in "ab"}
    return routing(router, **routes)


def a_graph(random: Random) -> dict[str, Any]:
    nodes = {
        "a": step(random, "a{{ iteration }}", "{{ nodes.b.response if nodes.b else 'the sea' }}", kind="plain"),
        "b": step(random, "b{{ iteration }}", "{{ last_response }}", kind="data"),
        "c": step(random, "c", "{{ last_response }}"),
    }
    again = way("b", c="nodes.b.data.n % 2 == 0", a="else")
    return graph(nodes, way("a", "b"), again, max_iterations=2, on_max_iterations="end")


def an_optimizer(random: Random) -> dict[str, Any]:
    pattern = optimizer(
        min_score=random.choice([3, 8]),
        evaluator={"input": "[score judge] {{ draft }}"},
        revise_prompt="[plain revise] better than {{ evaluation.score }}: {{ draft }}",
        max_iters=2,
    )
    pattern["config"]["producer"] = "drafter"
    return pattern


def some_workers(random: Random) -> dict[str, Any]:
    more = {"reduce": step(random, "all", "{% for one in workers %}{{ one.response }} {% endfor %}")}
    return workers(orchestrator={"input": "[plan lead] the sea"}, **(more if random.random() < 0.7 else {}))


PATTERNS: Final[Mapping[str, Callable[[Random], dict[str, Any]]]] = {
    "chain": a_chain,
    "parallel": a_parallel,
    "workflow": a_dag,
    "routing": a_routing,
    "graph": a_graph,
    "evaluator_optimizer": an_optimizer,
    "orchestrator_workers": some_workers,
}

# -- what is answered -------------------------------------------------------------------------------------------------

ASKED_AGAIN: Final = "\n\nYour last answer was:"


@dataclass(frozen=True)
class Question:
    """What a request asks, whatever its provider's form: the same of every attempt at it. `again` says that an answer
    to it was no data, and is asked for anew."""

    kind: str
    label: str
    said: tuple[str, ...]
    after_tool: bool

    @property
    def digest(self) -> str:
        return sha256(json.dumps([self.said, self.after_tool]).encode()).hexdigest()[:8]

    @property
    def wants_data(self) -> bool:
        return self.kind in ("data", "route", "score", "plan")


def question_of(request: Request) -> Question:
    told = [one for one in request.messages if one.get("role") in ("user", "assistant", "model")]
    said = [text_of(one.get("content") or one.get("parts")).split(ASKED_AGAIN)[0] for one in told]
    latest = [text.split(ASKED_AGAIN)[0] for text in request.user_texts][-1]
    found = re.match(r"\[(\w+) ([^\]]+)\]", latest)
    assert found, f"a question of nobody: {latest!r}"
    after_tool = told[-1] is not request.messages[-1] or not said[-1]
    return Question(found[1], found[2], tuple(text for text in said if text), after_tool)


def answer_to(question: Question) -> Answer:
    digest = question.digest
    number = int(digest, 16)
    told: dict[str, Any]
    match question.kind:
        case "tool" if not question.after_tool:
            return Answer("", tool_calls=[("calculator", {"expression": f"{number % 90} * 7"})], usage=USAGE)
        case "data":
            told = {"id": digest, "n": number % 100}
        case "route":
            told = {"route": "ab"[number % 2]}
        case "score":
            told = {"score": number % 11}
        case "plan":
            told = {"tasks": [{"task": f"[plain w{at}-{digest}] do"} for at in range(1 + number % 3)]}
        case _:
            return Answer(f"{question.label} {digest} \N{GRINNING FACE} né 漢字 and on it goes", chunks=5, usage=USAGE)
    return Answer(json.dumps(told), usage=USAGE)
