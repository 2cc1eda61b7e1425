"""For every template of a planned file the names it may use there, and what is wrong with those that use others."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from runner.errors import Finding, TemplateProblem
from runner.plan.facts import PARTS, Asked
from runner.plan.flows import (
    ChainFlow,
    EvaluatorOptimizerFlow,
    GraphFlow,
    OrchestratorWorkersFlow,
    ParallelFlow,
    RoutingFlow,
    Upstream,
    WorkflowFlow,
)
from runner.plan.names import Names, broken, problems
from runner.plan.order import behind, reached
from runner.plan.plan import Gate
from runner.plan.scope import reserved, why_taken
from runner.plan.templates import References, references, references_of_condition
from runner.report.results import OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runner.errors import Location
    from runner.plan.agents import WrittenAgent
    from runner.plan.flows import Flow
    from runner.plan.plan import Row, Step
    from runner.plan.problems import Place
    from runner.spec import models as spec
    from runner.spec.load import Document


ANSWER: Final = "hitl_response"
"""The latest answer of a human."""

BEHIND_A_NODE: Final = ("last_response", "terminal_node", "total_steps")
"""What there is once a node of a graph was taken."""


class _Template(NamedTuple):
    """A template, where it is written, what is in scope there, and how what it looks up is read."""

    source: str
    document: Document
    place: Place
    names: Names
    read: Callable[[str], References] = references

    @property
    def at(self) -> Location:
        """Where it stands: what is asked of a task may be its description."""
        step, place = self.document.parent(self.place), self.place
        if place[-1] == "input" and isinstance(step, dict) and "input" not in step:
            place = (*place[:-1], *(["description"] if "description" in step else []))
        return self.document.locate(place)


class Scopes:
    """The templates of one file, each with its place and the names in scope there."""

    def __init__(
        self,
        flow: Flow,
        source: spec.Spec,
        document: Document,
        places: Mapping[str, Place],
        agents: Mapping[str, WrittenAgent],
    ) -> None:
        self._flow, self._source, self._document, self._places = flow, source, document, places
        self._agents = agents

    def used_names(self) -> set[str]:
        """Every name any template asks for; one that cannot be read is told of by `checked`."""
        used: set[str] = set()
        for template in self._templates(Names()):
            try:
                found = template.read(template.source)
            except TemplateProblem:
                continue
            used |= found.names | found.guarded | found.inputs | found.guarded_inputs
        return used

    def _told(self, values: Mapping[str, Any]) -> set[str]:
        """The names of facts that the file declares nothing for, and that nobody has given."""
        inputs = self._source.inputs
        return PARTS.keys() - {*values, *inputs.required, *inputs.optional}

    def checked(self, values: Mapping[str, Any], *, need_values: bool) -> tuple[list[Finding], Asked]:
        """What is wrong with the templates once these values are known, and what they ask of the event.

        With `need_values` an optional input that has none by now is not defined; without, it may yet be given.
        """
        declared = {*values, *self._source.inputs.required}
        if not need_values:
            declared |= self._source.inputs.optional.keys()
        findings, asked = [*self._taken_names(), *self._unused_prompts()], Asked()
        for template in self._templates(Names().given(declared).of_event(self._told(values))):
            told = problems(template.source, template.names, template.read)
            findings += [Finding(problem, template.at) for problem in told]
            with suppress(TemplateProblem):
                asked.add(template.read(template.source), template.names.told)
        return findings, asked

    def _unused_prompts(self) -> Iterator[Finding]:
        """Prompts that are no templates, of agents that nobody asks."""
        used = {row.agent.id for row in self._flow.all_rows() if not isinstance(row, Gate)}
        for name, written in self._agents.items():
            if name not in used and (problem := broken(written.agent.prompt or "")):
                home = written.home("prompt")
                yield Finding(problem, home.document.locate((*home.place, "prompt")))

    def _taken_names(self) -> Iterator[Finding]:
        """Inputs and outputs under names that are something else's."""
        for name in self._source.outputs.step_outputs:
            if name.lower() in OUTPUTS:  # which the host reads in any case
                at = self._document.locate(("outputs", "step_outputs", name), key=True)
                yield Finding(f"step output '{name}' has the name of an output of the action itself", at)
        for kind in ("required", "optional", "values"):
            for name in reserved(self._flow.type) & getattr(self._source.inputs, kind).keys():
                at = self._document.locate(("inputs", kind, name), key=True)
                yield Finding(f"an input cannot be named '{name}': {why_taken(name)}", at)

    # -- where templates stand ----------------------------------------------------------------------------------------

    def _templates(self, base: Names) -> Iterator[_Template]:
        here = self._document
        for row, names in self._rows(base):
            yield from self._of_gate(row, names) if isinstance(row, Gate) else self._of_step(row, names)
        yield from self._conditions(base)
        final = self._final(base).plus("name", "timestamp")
        for name, template in self._source.outputs.step_outputs.items():
            yield _Template(template, here, ("outputs", "step_outputs", name), final)
        for index, artifact in enumerate(self._source.outputs.artifacts):
            place = ("outputs", "artifacts", index)
            yield _Template(artifact.path, here, (*place, "path"), final)
            yield _Template(artifact.from_, here, (*place, "from"), final.plus("TRACE"))
        post = self._source.outputs.post
        if post is not None and post.from_ is not None:
            yield _Template(post.from_, here, ("outputs", "post", "from"), final, references_of_condition)

    def _of_step(self, step: Step, names: Names) -> Iterator[_Template]:
        here, place, own = self._document, self._places[step.path], names.plus(*step.vars)
        if step.agent.id in self._agents:
            home = self._agents[step.agent.id].home("prompt")
            yield _Template(step.agent.prompt, home.document, (*home.place, "prompt"), own)
        if step.input is not None:
            yield _Template(step.input, here, (*place, "input"), own)
        if step.when is not None:
            yield _Template(step.when, here, (*place, "when"), own, references_of_condition)

    def _of_gate(self, gate: Gate, names: Names) -> Iterator[_Template]:
        place = self._places[gate.path]
        yield _Template(gate.prompt, self._document, (*place, "prompt"), names)
        if gate.context_display is not None:
            yield _Template(gate.context_display, self._document, (*place, "context_display"), names)

    def _conditions(self, base: Names) -> Iterator[_Template]:
        if isinstance(self._flow, GraphFlow):
            every, asked = _in_graph(self._flow, base).plus(*BEHIND_A_NODE), _asked(self._flow)
            for index, edge in enumerate(self._source.pattern.config.edges):  # type: ignore[union-attr]
                from_gate = isinstance(self._flow.nodes.get(edge.from_), Gate)
                names = every.plus(ANSWER) if from_gate or edge.from_ in asked else every
                for number, choice in enumerate(edge.choose or []):
                    place = ("pattern", "config", "edges", index, "choose", number, "when")
                    if choice.when.strip() != "else":
                        yield _Template(choice.when, self._document, place, names, references_of_condition)

    # -- what is in scope ---------------------------------------------------------------------------------------------

    def _rows(self, base: Names) -> Iterator[tuple[Row, Names]]:
        match self._flow:
            case ChainFlow(steps):
                yield from _row(steps, base)
            case RoutingFlow(router, routes, review):
                yield router, base
                names = base.plus("router", "chosen_route")
                if review is not None:
                    yield review, names
                    names = names.plus(ANSWER)
                yield from chain.from_iterable(_row(route.steps, names) for route in routes)
            case ParallelFlow(branches, reduce):
                yield from chain.from_iterable(_row(branch.steps, base) for branch in branches)
                if reduce is not None:
                    yield reduce, base.plus("last_response", branches=[branch.id for branch in branches])
            case WorkflowFlow():
                yield from _of_tasks(self._flow, base)
            case GraphFlow():
                yield from _of_nodes(self._flow, base)
            case EvaluatorOptimizerFlow():
                yield from _with_drafts(self._flow, base)
            case OrchestratorWorkersFlow():
                yield from _with_workers(self._flow, base)

    def _final(self, base: Names) -> Names:
        base = base.plus("last_response")
        match self._flow:
            case ChainFlow(steps):
                return _behind(steps, base).plus(steps=_keys(steps))
            case RoutingFlow(_, routes, review):
                longest = max((route.steps for route in routes), key=len)
                ids = [step.id for route in routes for step in route.steps if step.id]
                gates = [review] if review is not None else [step for route in routes for step in route.steps]
                names = _behind(gates, base)
                return names.plus("router", "chosen_route", steps=[*range(len(longest)), *ids])
            case ParallelFlow(branches, reduce):
                names = _behind([reduce], base).plus("reduce_response") if reduce is not None else base
                return names.plus(branches=[branch.id for branch in branches])
            case WorkflowFlow(tasks):
                return _behind([*self._flow.all_rows()], base).plus(tasks=[task.id for task in tasks])
            case GraphFlow():
                return _in_graph(self._flow, _behind([*self._flow.all_rows()], base)).plus(*BEHIND_A_NODE)
            case EvaluatorOptimizerFlow():
                return base.plus("draft", "iteration", "evaluation")
            case OrchestratorWorkersFlow(reduce=reduce):
                names = _behind([*self._flow.all_rows()], base).plus("workers", "num_workers", "round_count")
                return names.plus("reduce_response") if reduce is not None else names


def _row(steps: Sequence[Row], base: Names) -> Iterator[tuple[Row, Names]]:
    ids = {step.id: index for index, step in enumerate(steps) if step.id}
    names = base
    for index, step in enumerate(steps):
        yield step, names.plus(steps=_Earlier(index, ids))
        names = _behind([step], names).plus("last_response")


def _behind(rows: Sequence[Row], names: Names) -> Names:
    """The names there are behind these: with a gate among them, its answer."""
    return names.plus(ANSWER) if any(isinstance(row, Gate) for row in rows) else names


class _Earlier(Collection[str | int]):
    """Positions and ids of the first `count` steps of a row; a row of thousands has as many of these."""

    def __init__(self, count: int, ids: Mapping[str, int]) -> None:
        self._count, self._ids = count, ids

    def __contains__(self, key: object) -> bool:
        place = self._ids.get(key, self._count) if isinstance(key, str) else key
        return isinstance(place, int) and 0 <= place < self._count

    def __iter__(self) -> Iterator[str | int]:
        yield from range(self._count)
        yield from (name for name, index in self._ids.items() if index < self._count)

    def __len__(self) -> int:
        return self._count


def _keys(steps: Sequence[Row]) -> list[str | int]:
    return [*range(len(steps)), *(step.id for step in steps if step.id)]


def _of_tasks(flow: WorkflowFlow, base: Names) -> Iterator[tuple[Row, Names]]:
    deps = flow.deps
    asked = behind(deps, [task.id for task in flow.tasks if isinstance(task.step, Gate)])
    first = base.plus(tasks=())
    later = first.plus("last_response")
    answered = later.plus(ANSWER)
    for task in flow.tasks:
        names = answered if task.id in asked else later if task.deps else first
        yield task.step, names.below(tasks=Upstream(task.id, deps))


def _of_nodes(flow: GraphFlow, base: Names) -> Iterator[tuple[Row, Names]]:
    names, asked = _in_graph(flow, base), _asked(flow)
    later = names.plus(*BEHIND_A_NODE)
    for index, (node, row) in enumerate(flow.nodes.items()):
        yield row, later.plus(ANSWER) if node in asked else later if index else names


def _asked(flow: GraphFlow) -> set[str]:
    """The nodes that some way leads to from a gate; not the first, which is taken before any."""
    gates = [node for node, row in flow.nodes.items() if isinstance(row, Gate)]
    return reached(flow.leads_to, gates) - {next(iter(flow.nodes))}


def _in_graph(flow: GraphFlow, base: Names) -> Names:
    """Any node may come before any other; a template asks whether it did."""
    return base.plus("iteration", nodes=list(flow.nodes))


def _with_drafts(flow: EvaluatorOptimizerFlow, base: Names) -> Iterator[tuple[Row, Names]]:
    drafted = base.plus("draft", "iteration", "last_response")
    yield flow.producer, base.plus("iteration")
    yield flow.evaluator, drafted
    judged = drafted.plus("evaluation")
    if flow.review is not None:
        yield flow.review, judged.plus("iterations", "iteration_index", "current_draft", "current_evaluation")
        judged = judged.plus(ANSWER)
    yield flow.reviser, judged


def _with_workers(flow: OrchestratorWorkersFlow, base: Names) -> Iterator[tuple[Row, Names]]:
    counted = base.plus("workers", "num_workers", "round_count")
    yield flow.orchestrator, counted
    if flow.review is not None and flow.revised is not None:
        shown = counted.plus("orchestrator_response", "subtasks", "task_count")
        yield flow.review, shown
        yield flow.revised, shown.plus(ANSWER)
        counted = counted.plus(ANSWER)
    answered = counted.plus("last_response")
    if flow.again is not None:
        yield flow.again, answered
    yield flow.worker, counted.plus("task")
    if flow.reduce_review is not None:
        yield flow.reduce_review, answered.plus("worker_count")
        answered = answered.plus(ANSWER)
    if flow.reduce is not None:
        yield flow.reduce, answered
        answered = _behind([flow.reduce], answered).plus("reduce_response")
    if flow.writeup is not None:
        yield flow.writeup, answered
