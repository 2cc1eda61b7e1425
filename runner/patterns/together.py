"""Several coroutines at once, as every pattern with more than one way on needs it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from runner.errors import NotRecorded, RunPaused, StepFailed

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

T = TypeVar("T")


async def together(
    work: Sequence[Coroutine[None, None, T]], *, keep_going: bool, at_most: int | None = None
) -> list[T]:
    """Run all at once, or `at_most` so many, and return what they return, in order.

    The first failure cancels the others and is raised as itself. With `keep_going` the others run to their end
    first when it was a step that failed. What waits for a human never cancels the others; when nothing failed all such
    questions are raised as one. Neither does a step of a replay that was never recorded: it may be one that a failure
    cancelled, which then comes first.
    """
    failures: list[StepFailed] = []
    missing: dict[int, NotRecorded] = {}
    pauses: dict[int, RunPaused] = {}
    room = asyncio.Semaphore(at_most or max(1, len(work)))

    async def guarded(number: int, one: Coroutine[None, None, T]) -> T | None:
        try:
            async with room:
                return await one
        except RunPaused as pause:
            pauses[number] = pause
            return None
        except NotRecorded as problem:
            missing[number] = problem
            return None
        except StepFailed as failure:
            if not keep_going:
                raise
            failures.append(failure)
            return None

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(guarded(number, one)) for number, one in enumerate(work)]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    finally:
        for one in work:
            one.close()  # what was cancelled before its turn came has not been awaited
    if missing:  # here, what fails cancels nothing, or there was no failure
        raise missing[min(missing)]
    if failures:
        raise failures[0]
    if pauses:
        raise RunPaused(question for number in sorted(pauses) for question in pauses[number].questions)
    return [task.result() for task in tasks]  # type: ignore[misc]  # none failed, so none is None
