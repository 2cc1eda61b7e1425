"""Several pieces of work at once, as every pattern with more than one way on needs it.

What has not begun is a number and a function, and no task: of 10,000 steps that wait for a slot each would hold 15 KB.
"""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from typing import TYPE_CHECKING, Final, Generic, TypeAlias, TypeVar

from runner.errors import NotRecorded, RunPaused, StepFailed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

T = TypeVar("T")
Work: TypeAlias = "Callable[[], Awaitable[T]]"

AT_ONCE: Final = 500
"""Pieces that are under way, each with 15 KB: more than any provider serves, so that it is not this that anybody waits
for. No `max_parallel` is above it."""


async def together(work: Sequence[Work[T]], *, keep_going: bool, at_most: int | None = None) -> list[T]:
    """Do all of it at once, or `at_most` so many, and return what comes of each, in order. Raises as `as_they_come`."""
    left = enumerate(work)
    found = await as_they_come(lambda: next(left, None), keep_going=keep_going, at_most=at_most)
    return [found[number] for number in range(len(work))]


async def as_they_come(
    following: Callable[[], tuple[int, Work[T]] | None], *, keep_going: bool, at_most: int | None = None
) -> dict[int, T]:
    """Do what `following` gives, a piece with its number, until there is none and none under way: what comes of each.
    It is asked again whenever a piece has ended, and says None where none may begin by then.

    The first failure cancels the others and is raised as itself. With `keep_going` the others run to their end
    first when it was a step that failed. What waits for a human never cancels the others; when nothing failed all such
    questions are raised as one. Neither does a step of a replay that was never recorded: it may be one that a failure
    cancelled, which then comes first.
    """
    crew = _Crew(following, keep_going=keep_going, at_most=at_most or AT_ONCE)
    try:
        async with asyncio.TaskGroup() as group:
            crew.go_on(group)
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    crew.told()
    return crew.found


class _Crew(Generic[T]):
    """What is under way, and what came of the rest."""

    def __init__(self, following: Callable[[], tuple[int, Work[T]] | None], *, keep_going: bool, at_most: int) -> None:
        self._following, self._keep_going, self._room = following, keep_going, at_most
        self._broken = False
        self._context = copy_context()  # a piece is begun by another, in whose span it is not
        self.found: dict[int, T] = {}
        self._failures: list[StepFailed] = []
        self._missing: dict[int, NotRecorded] = {}
        self._pauses: dict[int, RunPaused] = {}

    def go_on(self, group: asyncio.TaskGroup) -> None:
        """Begin what there is room for, unless all of it is being given up."""
        while self._room and not self._broken and (piece := self._following()) is not None:
            self._room -= 1
            group.create_task(self._done(group, *piece), context=self._context.copy())

    async def _done(self, group: asyncio.TaskGroup, number: int, work: Work[T]) -> None:
        try:
            await self._guarded(number, work)
        except BaseException:
            self._broken = True
            raise
        self._room += 1
        task = asyncio.current_task()
        if task is not None and not task.cancelling():  # work may end as if nobody had cancelled it
            self.go_on(group)

    async def _guarded(self, number: int, work: Work[T]) -> None:
        try:
            self.found[number] = await work()
        except RunPaused as pause:
            self._pauses[number] = pause
        except NotRecorded as problem:
            self._missing[number] = problem
        except StepFailed as failure:
            if not self._keep_going:
                raise
            self._failures.append(failure)

    def told(self) -> None:
        """Raise what kept some of it from its end."""
        if self._missing:  # here, what fails cancels nothing, or there was no failure
            raise self._missing[min(self._missing)]
        if self._failures:
            raise self._failures[0]
        if self._pauses:
            raise RunPaused(question for number in sorted(self._pauses) for question in self._pauses[number].questions)
