"""Which names a template may use where, checked without rendering it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import field, replace
from typing import Final

from runner.errors import TemplateProblem
from runner.plan import facts
from runner.plan.scope import ANSWER_FIELDS
from runner.plan.templates import References, references
from runner.records import dataclass
from runner.spec.nearest import nearest

_SECRETS: Final = "secrets are for the headers of tools.http_executors and the args, env and headers of tools.mcp only"


@dataclass(frozen=True)
class Names:
    """What is in scope at one place: plain `names`, and below some of them the `parts` that exist there."""

    names: frozenset[str] = frozenset()
    parts: Mapping[str, Collection[str | int]] = field(default_factory=dict)

    inputs: frozenset[str] = frozenset()
    """What `inputs.values` holds."""

    told: frozenset[str] = frozenset()
    """Names of facts, where nothing else has them."""

    def given(self, names: Collection[str]) -> Names:
        """With the values of these inputs, which have a bare name as well."""
        return replace(self.plus(*names, inputs=["values"]), inputs=frozenset(names))

    def plus(self, *names: str, **parts: Collection[str | int]) -> Names:
        if not names and not parts:
            return self
        told = self.told.difference(names, parts)
        return Names(self.names.union(names, parts), {**self.parts, **parts}, self.inputs, told)

    def below(self, **parts: Collection[str | int]) -> Names:
        """The same names, with other parts below some of them."""
        return Names(self.names, {**self.parts, **parts}, self.inputs, self.told)

    def of_event(self, names: Collection[str]) -> Names:
        """With these facts of the event."""
        return replace(self, names=self.names.union(names), told=frozenset(names))


def broken(source: str, read: Callable[[str], References] = references) -> str | None:
    """Why a text is no template at all; None when it is one. `read` tells what it looks up."""
    try:
        read(source)
    except TemplateProblem as problem:
        return _broken(problem)
    return None


def _broken(problem: TemplateProblem) -> str:
    return f"not a valid template: {problem.message}"


def problems(source: str, scope: Names, read: Callable[[str], References] = references) -> Iterator[str]:
    """What is wrong with a template that will be rendered in `scope`."""
    try:
        found = read(source)
    except TemplateProblem as problem:
        yield _broken(problem)
        return
    if found.names <= scope.names and found.inputs <= scope.inputs and not found.parts:
        return  # most say nothing else
    for name in sorted(found.names - scope.names):
        yield f"undefined name '{name}'; {_SECRETS if name == 'secrets' else nearest(name, sorted(scope.names))}"
    for name in sorted(found.inputs - scope.inputs):
        yield f"undefined name 'inputs.values.{name}'; {nearest(name, sorted(scope.inputs))}"
    for root, part in sorted(found.parts, key=str):
        known = scope.parts.get(root)
        if known is not None and part not in known and not (isinstance(part, int) and part < 0 and known):
            yield _unknown_part(root, part, known)
    for root, name in sorted(found.fields):
        if root in scope.parts and root != "inputs" and name not in ANSWER_FIELDS:
            yield f"an answer has no '{name}'; {nearest(name, ANSWER_FIELDS)}"
    yield from facts.problems(found, scope.told)


def _unknown_part(root: str, part: str | int, known: Collection[str | int]) -> str:
    if isinstance(part, int):
        count = sum(isinstance(one, int) for one in known)
        return f"{root}[{part}] does not exist here: {count or 'no'} {root} come before it"
    names = [one for one in known if isinstance(one, str)]
    return f"{root}.{part} cannot be seen here; {nearest(part, names) if names else 'nothing comes before it'}"
