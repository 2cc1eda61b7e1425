"""The agents of a file: what is written of each, with what `$ref` brings in, and where it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runner.errors import RunnerError
from runner.records import dataclass
from runner.spec import models as spec
from runner.spec.load import read, to_agent

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from runner.plan.problems import Place, Problems
    from runner.spec.load import Document


@dataclass(frozen=True)
class Home:
    """Where a part of an agent is written: paths in it start from `root`, the directory of its file."""

    document: Document
    place: Place
    root: Path | None


@dataclass(frozen=True)
class WrittenAgent:
    """An agent with everything that its `$ref` says and it does not say itself."""

    agent: spec.Agent
    here: Home
    there: Home
    """The file it refers to; the same as `here` without a `$ref`."""
    own: frozenset[str]
    """The keys that the workflow file itself writes."""

    def home(self, key: str) -> Home:
        """Where one of its keys is written."""
        return self.here if key in self.own else self.there


def written_agents(
    source: spec.Spec, root: Path | None, workspace: Path | None, problems: Problems
) -> Mapping[str, WrittenAgent]:
    """Every agent by its id. One whose `$ref` leads nowhere is as empty as it was written."""
    found = {}
    for name, agent in source.agents.items():
        here = Home(problems.document, ("agents", name), root)
        own = WrittenAgent(agent, here, here, frozenset(agent.model_fields_set))
        found[name] = own
        if agent.ref is not None and root is None:
            problems.needs_file(f"$ref '{agent.ref}'", ("agents", name, "$ref"))
        elif agent.ref is not None:
            try:
                found[name] = _referred(agent, agent.ref, here, workspace)
            except RunnerError as error:
                at_home = ("agents", name, "$ref")
                for one in error.findings:
                    inside = f" ({one.at})" if one.at.line else ""
                    problems.find(f"$ref '{agent.ref}': {one.message}{inside}", at_home)
    return found


def _referred(agent: spec.Agent, ref: str, here: Home, workspace: Path | None) -> WrittenAgent:
    """The agent in the file that `ref` names, under what the workflow file itself says. Raises RunnerError."""
    name, _, pointer = ref.partition("#")
    assert here.root is not None
    try:
        path, within = (here.root / name).resolve(), (workspace or here.root).resolve()
        in_a_circle = path.is_symlink()  # still a link when all links were followed, from Python 3.13 on
    except (OSError, ValueError, RuntimeError):  # a name that no file can have; links in a circle
        in_a_circle = True
    if in_a_circle:
        raise RunnerError("no file can be found by that name")
    if not path.is_relative_to(within):
        raise RunnerError("the file lies outside the workspace")
    if not path.is_file():
        raise RunnerError("there is no such file; the path starts from the directory of the workflow file")
    document = read(path, str(path.relative_to(within)))
    place = _place_of_the_agent(document.data, pointer)
    there = to_agent(document, place)
    if there.ref is not None:
        raise RunnerError("the agent there is a $ref itself, and only one step is followed")
    said: dict[str, Any] = {key: getattr(agent, key) for key in agent.model_fields_set if key != "ref"}
    if agent.inference is not None and there.inference is not None:
        given = {key: getattr(agent.inference, key) for key in agent.inference.model_fields_set}
        said["inference"] = there.inference.model_copy(update=given)
    merged = there.model_copy(update=said)
    return WrittenAgent(merged, here, Home(document, place, path.parent), frozenset(said))


def _place_of_the_agent(data: Any, pointer: str) -> tuple[str, ...]:
    """The one agent of a file: the file itself, or the only one under its `agents`, or the one that is pointed at."""
    if not isinstance(data, dict):
        raise RunnerError("the file is not a mapping that describes an agent")
    agents = data.get("agents")
    if agents is None:
        if pointer.strip("/"):
            raise RunnerError(f"the file has no 'agents', so '#{pointer}' points at nothing")
        return ()
    names = list(agents) if isinstance(agents, dict) else []
    if pointer.strip("/"):
        wanted = pointer.strip("/").removeprefix("agents/")
        if wanted not in names:
            raise RunnerError(f"there is no agent '{wanted}'; the file has: {', '.join(names) or 'none'}")
        return ("agents", wanted)
    if len(names) != 1:
        raise RunnerError(f"the file has {len(names)} agents; point at one of them: '#/agents/<id>'")
    return ("agents", names[0])
