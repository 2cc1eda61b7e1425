"""Builders for tests: everything that is not said has a default that is valid, so a test shows only what it is about.

plan_of(workflow(runtime={"temperature": 0.5}))
plan_of(workflow(pattern=dag({"id": "a"}, {"id": "b", "deps": ["a"]})))
report(result(response="hello"), status="failed")
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, get_args

import yaml

from runner.errors import SpecError
from runner.plan import digest
from runner.plan.catalogue import TOOLS
from runner.plan.fingerprint import text_digest
from runner.plan.make import make_plan
from runner.plan.plan import AgentRecipe, Gate, ModelRecipe, Step
from runner.report.results import Bill, RunReport, StepResult, Usage
from runner.spec.load import parse, to_spec
from runner.spec.models import Spec
from runner.spec.shape import Shape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runner.plan.plan import Plan

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
"""When everything here happens, unless a test says otherwise."""

FILE = "workflow.yaml"


# -- workflow files ---------------------------------------------------------------------------------------------------


def workflow(**changes: Any) -> dict[str, Any]:
    """The smallest valid file (provider openai, model m, an agent `writer`, a chain of one step), changed.

    Mappings are merged into what stands there, to any depth; None takes a key away; everything else, and `pattern`
    as a whole, takes the place of what stood there: `workflow(runtime={"model_id": None}, pattern=chain("a", "b"))`.
    """
    base: dict[str, Any] = {
        "version": 1,
        "name": "test",
        "runtime": {"provider": "openai", "model_id": "m"},
        "agents": {"writer": {"prompt": "You write."}},
        "pattern": chain("Write."),
    }
    if "pattern" in changes:
        base.pop("pattern")
    return _merged(base, changes)


def chain(*steps: str | Mapping[str, Any]) -> dict[str, Any]:
    """The pattern `chain`. A step given as text is that input for `writer`; one given as a mapping without an agent
    is asked of `writer`."""
    return {"type": "chain", "config": {"steps": [_asked(one) for one in steps]}}


def parallel(
    *branches: Mapping[str, Any], reduce: str | Mapping[str, Any] | None = None, **named: str
) -> dict[str, Any]:
    """The pattern `parallel`, of whole branches, or of `name="input"` for branches of one step each."""
    found = [{**one, "steps": [_asked(step) for step in one["steps"]]} for one in branches]
    found += [{"id": name, "steps": [_asked(text)]} for name, text in named.items()]
    config: dict[str, Any] = {"branches": found}
    return {"type": "parallel", "config": config | ({"reduce": _asked(reduce)} if reduce is not None else {})}


def dag(*tasks: Mapping[str, Any]) -> dict[str, Any]:
    """The pattern `workflow`. A task without an agent is asked of `writer`, one without an input is asked its id; a
    gate is `{"id": …, **hitl()}`."""
    asked = [_asked(one) if "type" in one else {"input": f"Do {one['id']}.", **_asked(one)} for one in tasks]
    return {"type": "workflow", "config": {"tasks": asked}}


def routing(router: Mapping[str, Any] | None = None, **routes: Sequence[str | Mapping[str, Any]]) -> dict[str, Any]:
    """The pattern `routing`: `writer` is asked `Which?`, and each route is a row of steps."""
    then = {name: {"then": [_asked(step) for step in steps]} for name, steps in routes.items()}
    return {
        "type": "routing",
        "config": {"router": {"agent": "writer", "input": "Which?", **(router or {})}, "routes": then},
    }


def graph(
    nodes: str | Mapping[str, str | Mapping[str, Any]], *edges: Mapping[str, Any], **config: Any
) -> dict[str, Any]:
    """The pattern `graph`. Nodes given as names in one text, `"a b c"`, are asked their names; a node may be a gate."""
    named = {name: name for name in nodes.split()} if isinstance(nodes, str) else nodes
    asked = {name: _asked(one) for name, one in named.items()}
    return {"type": "graph", "config": {"nodes": asked, "edges": [*edges], **config}}


def way(start: str, *targets: str, **choices: str) -> dict[str, Any]:
    """An edge of a graph: `way("a", "b")`, or `way("a", b="last_response == 'go'", c="else")`."""
    if targets:
        return {"from": start, "to": targets[0]}
    return {"from": start, "choose": [{"when": when, "to": to} for to, when in choices.items()]}


def optimizer(
    min_score: float = 8,
    evaluator: Mapping[str, Any] | None = None,
    revise_prompt: str | None = None,
    review_gate: Mapping[str, Any] | None = None,
    **accept: Any,
) -> dict[str, Any]:
    """The pattern `evaluator_optimizer`: `writer` writes, and judges as `Score: ` and the draft; `accept` is more of
    that key."""
    judge = {"agent": "writer", "input": "Score: {{ draft }}", **(evaluator or {})}
    config: dict[str, Any] = {"producer": "writer", "evaluator": judge, "accept": {"min_score": min_score, **accept}}
    more = {"revise_prompt": revise_prompt, "review_gate": review_gate}
    return {"type": "evaluator_optimizer", "config": config | {key: one for key, one in more.items() if one}}


def workers(
    *,
    orchestrator: Mapping[str, Any] | None = None,
    template: Mapping[str, Any] | None = None,
    limits: Mapping[str, Any] | None = None,
    **config: Any,
) -> dict[str, Any]:
    """The pattern `orchestrator_workers`: `writer` is asked to `Plan.`, and is the worker; `config` is `reduce`,
    `writeup`, and the reviews."""
    plans: dict[str, Any] = {"agent": "writer", "input": "Plan.", **(orchestrator or {})}
    if limits is not None:
        plans["limits"] = dict(limits)
    steps = {name: _asked(step) for name, step in config.items()}
    return {
        "type": "orchestrator_workers",
        "config": {"orchestrator": plans, "worker_template": {"agent": "writer", **(template or {})}, **steps},
    }


def hitl(prompt: str = "Go on?", **keys: Any) -> dict[str, Any]:
    """A human gate, in the place of a step or as a review."""
    return {"type": "hitl", "prompt": prompt, **keys}


def secrets(*names: str) -> dict[str, Any]:
    """The part `env` of a file that declares secrets of the environment."""
    return {"secrets": [{"key": name, "source": "env"} for name in names]}


def as_text(data: Mapping[str, Any]) -> str:
    """Data as a YAML file, keys in the order given."""
    return yaml.safe_dump(dict(data), sort_keys=False, allow_unicode=True)


def spec_of(source: str | Mapping[str, Any], file: str = FILE) -> Spec:
    """The Spec of a file's text, or of its data."""
    return to_spec(parse(_text(source), file))


def plan_of(source: str | Mapping[str, Any], **kwargs: Any) -> Plan:
    """The Plan of a file's text, or of its data; `kwargs` are those of `make_plan` (overrides, variables, root…)."""
    document = parse(_text(source), FILE)
    return make_plan(to_spec(document), document, **kwargs)


def findings_of(source: str | Mapping[str, Any], **kwargs: Any) -> list[str]:
    """Everything that is wrong with a file, each as `workflow.yaml:line:column: message`; none when it plans."""
    try:
        plan_of(source, **kwargs)
    except SpecError as error:
        return [str(finding) for finding in error.findings]
    return []


def warnings_of(source: str | Mapping[str, Any], **kwargs: Any) -> list[str]:
    """The advice given about a file that plans, each as `workflow.yaml:line:column: message`."""
    return [str(finding) for finding in plan_of(source, **kwargs).warnings]


def shapes(shape: type[Shape] = Spec) -> dict[str, type[Shape]]:
    """Every shape that can stand in a file, by its name: all of the language."""
    found: dict[str, type[Shape]] = {}
    pending = [shape]
    while pending:
        one = pending.pop()
        if one.__name__ not in found:
            found[one.__name__] = one
            pending += [inner for field in one.model_fields.values() for inner in _shapes_in(field.annotation)]
    return found


# -- plans ------------------------------------------------------------------------------------------------------------


def model(**changes: Any) -> ModelRecipe:
    """A recipe of a model: m at openai."""
    return ModelRecipe(**{"provider": "openai", "model_id": "m", **changes})


def agent(id: str = "writer", **changes: Any) -> AgentRecipe:  # noqa: A002 - the field's own name
    """A signed recipe of an agent: `writer`, who writes and has no tools."""
    recipe = AgentRecipe(**{"id": id, "prompt": "You write.", "model": model(), **changes})
    return digest.sign_agent(recipe, lambda name: text_digest(TOOLS[name].canonical()))


def step(path: str = "steps[0]", **changes: Any) -> Step:
    """A signed step: `writer` is asked to write. `agent` may be given as an id."""
    given = changes.pop("agent", "writer")
    asked = agent(given) if isinstance(given, str) else given
    return digest.sign_step(Step(**{"path": path, "agent": asked, "input": "Write.", **changes}))


def gate(path: str = "steps[0]", **changes: Any) -> Gate:
    """A signed gate: a human is asked whether to go on."""
    return digest.sign_gate(Gate(**{"path": path, "prompt": "Go on?", **changes}))


# -- reports ----------------------------------------------------------------------------------------------------------


def result(path: str = "steps[0]", **changes: Any) -> StepResult:
    """What `writer` answered: `an answer`, for 7 tokens in and 3 out, at noon, in 40 ms.

    `tokens` is a short way to say `usage`; `after_ms` moves the start. A live one has one bill, of a model without a
    price.
    """
    if "tokens" in changes:
        changes["usage"] = Usage(*changes.pop("tokens"))
    changes.setdefault("started", NOON + timedelta(milliseconds=changes.pop("after_ms", 0)))
    defaults: dict[str, Any] = {
        "agent": "writer",
        "config_hash": "c0ffee" * 10,
        "status": "success",
        "response": "an answer",
        "usage": Usage(7, 3),
        "attempts": 1,
        "turns": 1,
        "duration_ms": 40,
    }
    whole = StepResult(path=path, **{**defaults, **changes})
    live = whole.source == "live" and "bills" not in changes
    return replace(whole, bills=(Bill(whole.model or "openai/m", whole.usage),)) if live else whole


def skipped(path: str = "steps[0]", **changes: Any) -> StepResult:
    """A step that never began."""
    return StepResult(path, changes.pop("agent", "writer"), "c0ffee" * 10, "skipped", **changes)


def report(*steps: StepResult, **changes: Any) -> RunReport:
    """A run of a chain that succeeded, with the steps given or one; what its last step said is its response."""
    ran = tuple(changes.pop("steps", steps or (result(),)))
    whole = RunReport(
        name="test",
        status="success",
        exit_code=0,
        mode="live",
        started=NOON,
        duration_ms=100,
        pattern="chain",
        config_hash="decade" * 10,
        response=ran[-1].response if ran else "",
        steps=ran,
        needs={later.path: (earlier.path,) for earlier, later in pairwise(ran)},
    )
    return replace(whole, **changes)


# -- the small print --------------------------------------------------------------------------------------------------


def _shapes_in(annotation: Any) -> list[type[Shape]]:
    if isinstance(annotation, type) and issubclass(annotation, Shape):
        return [annotation]
    return [inner for part in get_args(annotation) for inner in _shapes_in(part)]


def _text(source: str | Mapping[str, Any]) -> str:
    return source if isinstance(source, str) else as_text(source)


def _asked(one: str | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(one, str):
        return {"agent": "writer", "input": one}
    return {**one} if "type" in one else {"agent": "writer", **one}


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _merged(merged[key], value)
        else:
            merged[key] = value
    return merged
