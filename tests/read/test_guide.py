"""The files that the performance guide shows its readers load as they stand, its advice and its counter-examples."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.build import plan_of, spec_of, workflow

if TYPE_CHECKING:
    from runner.spec.models import Spec

FRAGMENTS = {
    "a chain of five steps by three agents": """
        pattern:
          type: chain
          config:
            steps:
              - agent: scout  # built, then kept
                input: "Look at subject A"
              - agent: judge
                input: "Judge {{ steps[0].response }}"
              - agent: scout
                input: "Look at subject B"
              - agent: judge
                input: "Judge {{ steps[2].response }}"
              - agent: editor
                input: "Put it together"
    """,
    "one agent asked twice": """
        pattern:
          type: chain
          config:
            steps:
              - agent: scout
                input: "Subject A"
              - agent: scout
                input: "Subject B"
    """,
    "the same agent under two names": """
        pattern:
          type: chain
          config:
            steps:
              - agent: scout
                input: "Subject A"
              - agent: judge
                input: "Subject B"
    """,
    "tasks of which two are independent": """
        pattern:
          type: workflow
          config:
            tasks:
              - id: from_web
                agent: scout
                input: "Fetch pages"
              - id: from_store
                agent: judge
                input: "Fetch rows"
              - id: joined
                agent: editor
                depends_on: [from_web, from_store]
                input: "Join both"
    """,
    "independent steps in a row": """
        pattern:
          type: chain
          config:
            steps:
              - agent: scout
                input: "Fetch pages"
              - agent: judge
                input: "Fetch rows"
              - agent: editor
                input: "Join {{ steps[0].response }} and {{ steps[1].response }}"
    """,
    "balanced parallelism": """
        runtime:
          max_parallel: 5  # in proportion to the machine
    """,
    "hardly bounded parallelism": """
        runtime:
          max_parallel: 100
    """,
    "a score that can be reached": """
        pattern:
          type: evaluator_optimizer
          config:
            min_score: 7
            max_iters: 3
    """,
    "a score that hardly can": """
        pattern:
          type: evaluator_optimizer
          config:
            min_score: 9.5
            max_iters: 10
    """,
    "independent branches": """
        pattern:
          type: parallel
          config:
            branches:
              - id: web
                steps: [...]
              - id: api
                steps: [...]
    """,
    "a branch that needs another": """
        pattern:
          type: parallel
          config:
            branches:
              - id: fetch
                steps: [...]
              - id: process
                steps: [...]
    """,
    "a token budget": """
        runtime:
          budgets:
            tokens: 100000  # for the whole run
    """,
}
"""Keys, spellings, nesting and comments as in the guide; the words are ours. `[...]` stands for steps left out."""


def completed(fragment: str) -> Spec:
    return spec_of(whole(fragment))


def whole(fragment: str) -> dict[str, Any]:
    """A fragment with what its author left out: other parts of the file, the steps of `[...]`, who produces."""
    given = yaml.safe_load(dedent(fragment))
    agents = {name: {"prompt": f"You are the {name}."} for name in ("scout", "judge", "editor")}
    config = given.get("pattern", {}).get("config", {})
    for branch in config.get("branches", ()):
        assert branch["steps"] == ["..."]
        branch["steps"] = [{"agent": "scout", "input": "Look."}]
    if "min_score" in config:
        config |= {"producer": "scout", "evaluator": {"agent": "judge"}}
    return workflow(agents={"writer": {"prompt": "You write."}, **agents}, **given)


@pytest.mark.parametrize("name", FRAGMENTS)
def test_a_fragment_of_the_guide_is_read(name: str) -> None:
    completed(FRAGMENTS[name])


@pytest.mark.parametrize("name", [name for name in FRAGMENTS if "score" not in name])
def test_a_fragment_of_the_guide_plans_where_its_pattern_runs(name: str) -> None:
    plan_of(whole(FRAGMENTS[name]))


def test_what_a_fragment_says_is_what_is_read() -> None:
    budgets = completed(FRAGMENTS["a token budget"]).runtime.budgets
    assert budgets is not None
    assert budgets.max_tokens == 100_000
    assert completed(FRAGMENTS["hardly bounded parallelism"]).runtime.max_parallel == 100
    config: Any = completed(FRAGMENTS["tasks of which two are independent"]).pattern.config
    assert config.tasks[2].deps == ["from_web", "from_store"]
