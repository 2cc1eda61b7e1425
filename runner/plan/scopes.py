"""For every template of a planned file the names it may use there, and what is wrong with those that use others."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from runner.errors import Finding, TemplateProblem
from runner.plan.names import Names, broken, problems
from runner.plan.plan import ChainFlow, ParallelFlow, Upstream, WorkflowFlow
from runner.plan.scope import RESERVED
from runner.plan.templates import references
from runner.report.results import OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from runner.plan.plan import Flow, Step
    from runner.spec import models as spec
    from runner.spec.load import Document

    Place = tuple[str | int, ...]


class Scopes:
    """The templates of one file, each with its place and the names in scope there."""

    def __init__(self, flow: Flow, source: spec.Spec, document: Document, places: Mapping[str, Place]) -> None:
        self._flow, self._source, self._document, self._places = flow, source, document, places

    def used_names(self) -> set[str]:
        """Every name any template asks for; a template that cannot be read is told of by `findings`."""
        used: set[str] = set()
        for template, _, _ in self._templates(Names()):
            try:
                found = references(template)
            except TemplateProblem:
                continue
            used |= found.names | found.guarded
        return used

    def findings(self, values: Mapping[str, Any], *, need_values: bool) -> Iterator[Finding]:
        """What is wrong with the templates once these values are known.

        With `need_values` an optional input that has none by now is not defined; without, it may yet be given.
        """
        declared = {*values, *self._source.inputs.required}
        if not need_values:
            declared |= self._source.inputs.optional.keys()
        for name in self._source.outputs.step_outputs:
            if name in OUTPUTS:
                at = self._document.locate(("outputs", "step_outputs", name), key=True)
                yield Finding(f"step output '{name}' has the name of an output of the action itself", at)
        for kind in ("required", "optional", "values"):
            for name in RESERVED & getattr(self._source.inputs, kind).keys():
                at = self._document.locate(("inputs", kind, name), key=True)
                yield Finding(f"an input cannot be named '{name}': that is what templates call answers", at)
        used = {step.agent.id for step in self._flow.all_steps()}
        for name, agent in self._source.agents.items():
            if name not in used and (problem := broken(agent.prompt or "")):
                yield Finding(problem, self._document.locate(("agents", name, "prompt")))
        for template, place, names in self._templates(Names(frozenset(declared))):
            for problem in problems(template, names):
                yield Finding(problem, self._document.locate(place))

    def _templates(self, base: Names) -> Iterator[tuple[str, Place, Names]]:
        for step, names in self._steps(base):
            own = names.plus(*step.vars)
            yield step.agent.prompt, ("agents", step.agent.id, "prompt"), own
            if step.input is not None:
                place = self._places[step.path]
                written = "input" if "input" in _at(self._document, place) else "description"
                yield step.input, (*place, written), own
        final = self._final(base)
        for name, template in self._source.outputs.step_outputs.items():
            yield template, ("outputs", "step_outputs", name), final
        for index, artifact in enumerate(self._source.outputs.artifacts):
            yield artifact.path, ("outputs", "artifacts", index, "path"), final
            yield artifact.from_, ("outputs", "artifacts", index, "from"), final

    def _steps(self, base: Names) -> Iterator[tuple[Step, Names]]:
        match self._flow:
            case ChainFlow(steps):
                yield from _row(steps, base)
            case ParallelFlow(branches, reduce):
                yield from chain.from_iterable(_row(branch.steps, base) for branch in branches)
                if reduce is not None:
                    yield reduce, base.plus("last_response", branches=[branch.id for branch in branches])
            case WorkflowFlow(tasks):
                deps = {task.id: task.deps for task in tasks}
                for task in tasks:
                    names = base.plus("last_response") if task.deps else base
                    yield task.step, names.plus(tasks=Upstream(task.id, deps))

    def _final(self, base: Names) -> Names:
        base = base.plus("last_response")
        match self._flow:
            case ChainFlow(steps):
                return base.plus(steps=_keys(steps))
            case ParallelFlow(branches, reduce):
                names = base.plus("reduce_response") if reduce is not None else base
                return names.plus(branches=[branch.id for branch in branches])
            case WorkflowFlow(tasks):
                return base.plus(tasks=[task.id for task in tasks])


def _row(steps: Sequence[Step], base: Names) -> Iterator[tuple[Step, Names]]:
    for index, step in enumerate(steps):
        names = base.plus("last_response") if index else base
        yield step, names.plus(steps=_keys(steps[:index]))


def _keys(steps: Sequence[Step]) -> list[str | int]:
    return [*range(len(steps)), *(step.id for step in steps if step.id)]


def _at(document: Document, place: Place) -> Any:
    return document.parent((*place, ""))
