"""Results of steps whose answers are held no longer: whoever asks for one reads it, and lets it go again."""

from __future__ import annotations

import json
import sys
from dataclasses import fields
from typing import TYPE_CHECKING, Any, ClassVar, Final

from runner.report import nested
from runner.report.results import StepResult

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runner.spill import Kept, Spill

_DATA: Final = 4
"""About how many times the memory of the text that it was read from data takes."""


def let_go(result: StepResult, spill: Spill) -> StepResult:
    """The result, with its answer in memory while there is room for it. Raises FileProblem where there is no room for
    it anywhere."""
    size = sys.getsizeof(result.response) * (1 if result.data is None else 1 + _DATA)
    if spill.holds(size):
        return result
    return SpilledResult.of(result, spill, spill.put(json.dumps([result.response, result.data]).encode()))


class SpilledResult(StepResult):
    """A result whose answer is in a file. Made by `of`; a copy that is changed by `replace` holds its answer again."""

    __slots__ = ("_change", "_kept", "_spill")
    _spill: Spill
    _kept: Kept
    _change: Callable[[str], str] | None

    def __new__(cls, **everything: Any) -> StepResult:  # type: ignore[misc]  # what `replace` asks for
        return StepResult(**everything)

    held: ClassVar = tuple(one.name for one in fields(StepResult) if one.name not in ("response", "data"))
    """The names of everything but the answer."""

    @classmethod
    def of(
        cls, result: StepResult, spill: Spill, kept: Kept, change: Callable[[str], str] | None = None, **other: Any
    ) -> SpilledResult:
        """`other` takes the place of what the result holds; `change` is what is done to the texts of its answer when
        they are read."""
        made: SpilledResult = object.__new__(cls)
        told = {name: getattr(result, name) for name in cls.held} | other
        for name, value in (*told.items(), ("_spill", spill), ("_kept", kept), ("_change", change)):
            object.__setattr__(made, name, value)
        return made

    def __repr__(self) -> str:
        return f"<{self.path}: {self.status}>"  # who looks at a task in a debugger reads no file

    @property
    def response(self) -> str:
        text: str = self._answer[0]
        return text if self._change is None else self._change(text)

    @property
    def data(self) -> Any:
        data = self._answer[1]
        return data if self._change is None else nested.changed(data, self._change)

    @property
    def _answer(self) -> Any:
        return json.loads(self._spill.read(self._kept))

    def changed(self, other: Mapping[str, Any], change: Callable[[str], str]) -> SpilledResult:
        """The same answer with its texts changed, beside what is other."""
        first = self._change
        both = change if first is None else lambda text: change(first(text))
        return SpilledResult.of(self, self._spill, self._kept, both, **other)
