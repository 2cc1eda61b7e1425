"""The names a template can use, growing as a pattern goes along. Immutable: parallel branches cannot see each other."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import field, replace
from itertools import count
from typing import TYPE_CHECKING, Any

from runner.records import dataclass
from runner.report.results import StepResult

if TYPE_CHECKING:
    from jinja2 import Undefined

ANSWER_FIELDS = ("response", "data", "status", "tokens", "agent", "attempts", "duration_ms")
"""What a template can ask of an answer."""


RESERVED = frozenset(
    {"steps", "branches", "tasks", "last_response", "reduce_response", "hitl_response", "inputs", "secrets"}
)
"""Names that have their meaning in templates; an input of that name would hide it, or be hidden by it."""

OWN_NAMES: Mapping[str, frozenset[str]] = {
    "routing": frozenset({"router", "chosen_route"}),
    "graph": frozenset({"nodes", "iteration", "terminal_node", "total_steps"}),
    "evaluator_optimizer": frozenset({"draft", "iteration", "evaluation"}),
    "orchestrator_workers": frozenset({"workers", "task", "num_workers", "round_count"}),
}
"""Names that one pattern gives; in others they are free."""


def reserved(pattern: str) -> frozenset[str]:
    """The names that no input and no variable of a step can have in a file of this pattern."""
    return RESERVED | OWN_NAMES.get(pattern, frozenset())


def why_taken(name: str) -> str:
    """Why nothing else can have a reserved name."""
    return f"that is what templates call {name if name in ('inputs', 'secrets') else 'answers'}"


def of_inputs(values: Mapping[str, Any]) -> dict[str, Any]:
    """The names that the values of the inputs have in templates: each its own, and one below `inputs.values`."""
    return {**values, "inputs": {"values": dict(values)}}


def view(result: StepResult) -> dict[str, Any]:
    """A step's result as templates see it."""
    return {
        "response": result.response,
        "data": result.data,
        "status": result.status,
        "tokens": result.usage.total,
        "agent": result.agent,
        "attempts": result.attempts,
        "duration_ms": result.duration_ms if result.recorded_ms is None else result.recorded_ms,
    }


class Answers:
    """Answers by position and by id: `steps[0]`, `steps.draft`, `tasks.fetch`.

    It has no public attributes, so that no id can be hidden behind one. `visible`, when given, are the ids that may be
    looked at: a task sees what it depends on and nothing else, whatever has finished by then. `ordered` may be a
    function, where going through all of them is rare and costs something. `possible` are ids that may yet have an
    answer; it is not defined till then, and as good as false. `tasks`, where each answer is that of a worker, are what
    these were given.
    """

    __slots__ = ("_by_id", "_order", "_possible", "_tasks", "_visible")

    def __init__(
        self,
        ordered: Sequence[StepResult] | Callable[[], Sequence[StepResult]] = (),
        by_id: Mapping[str, StepResult] | None = None,
        visible: Collection[str] | None = None,
        possible: Collection[str] = (),
        tasks: Sequence[str] | None = None,
    ) -> None:
        self._possible = possible
        self._tasks = tasks
        self._order = ordered
        self._by_id = by_id
        self._visible = visible

    @property
    def _ordered(self) -> Sequence[StepResult]:
        return self._order() if callable(self._order) else self._order

    def __getitem__(self, key: int | str) -> dict[str, Any] | Undefined:
        if isinstance(key, int):
            return self._seen(self._ordered[key], key)
        if self._visible is not None and key not in self._visible:
            raise KeyError(key)
        if self._by_id is None:  # made when it is asked for: most templates do not
            self._by_id = {one.id: one for one in self._ordered if one.id}
        if key in self._possible and key not in self._by_id:
            from jinja2 import Undefined  # whoever asks is a template that is rendered, and so it is there

            return Undefined(f"there is no answer {key!r} yet")
        return view(self._by_id[key])

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return map(self._seen, self._ordered, count())

    def _seen(self, result: StepResult, index: int) -> dict[str, Any]:
        return view(result) if self._tasks is None else {**view(result), "task": self._tasks[index]}

    def __len__(self) -> int:
        return len(self._ordered)


@dataclass(frozen=True)
class Scope:
    """Names for templates, and the answer that stands so far.

    `last` is the latest answer: what a chain's next step is given when it names no input, and what a pattern
    returns as its own. `steps` are the answers of the chain in hand, `sources` the paths of the steps that led here.
    A step that was skipped is among the `steps` and is nobody's latest answer.
    """

    names: Mapping[str, Any] = field(default_factory=dict)
    steps: tuple[StepResult, ...] = ()
    last: StepResult | None = None
    joined: tuple[StepResult, ...] = ()
    """The latest answers, where they are several."""
    sources: tuple[str, ...] = ()

    @property
    def response(self) -> str:
        """The answer of the pattern so far: several joined, or the last one, or nothing."""
        if self.joined:
            return "\n\n".join(result.response for result in self.joined)
        return self.last.response if self.last else ""

    def with_names(self, **names: Any) -> Scope:
        return replace(self, names={**self.names, **names})

    def beside(self, **names: Any) -> Scope:
        """With names that go behind all others: an input of such a name keeps it."""
        return replace(self, names={**names, **self.names})

    def after(self, result: StepResult) -> Scope:
        """The scope behind one more step of a chain, or one more gate."""
        return replace(self.answered(result), steps=(*self.steps, result))

    def answered(self, result: StepResult) -> Scope:
        """The scope behind a step or a gate whose answer is the latest one."""
        scope = self if result.question is None else self.with_names(hitl_response=result.response)
        return scope.joining([result])

    def reviewed(self, result: StepResult) -> Scope:
        """The scope behind a gate that reviews what is worked on, and whose answer is not worked on itself."""
        return self.with_names(hitl_response=result.response).behind(result)

    def behind(self, result: StepResult) -> Scope:
        """The scope behind a step whose answer decided where to go, and is not what is worked on."""
        return replace(self, sources=(result.path,))

    def joining(self, results: Sequence[StepResult]) -> Scope:
        """The scope behind several answers: one is the latest one, more of them are joined to it."""
        given = [result for result in results if result.status != "skipped"]
        if not given:
            return self
        joined = tuple(given) if len(given) > 1 else ()
        return replace(self, last=given[-1], joined=joined, sources=tuple(result.path for result in given))

    def for_templates(self) -> dict[str, Any]:
        """Everything a template may name here."""
        names = dict(self.names)
        names["steps"] = Answers(self.steps)
        if self.last is not None:
            names["last_response"] = self.response
        return names
