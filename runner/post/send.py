"""A plan made to stand at the host, once: what is there is read, what is missing is done, and all is read back.

Nobody knows whether a request that was lost has arrived. So nothing is sent again before it was looked for.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from runner.ci.refusal import NoAnswer
from runner.errors import PostProblem
from runner.post.acts import Act, AtFile, Author, Resolve, Review, missing, outdated
from runner.post.make import gathered
from runner.post.there import There, look
from runner.report.results import Posted

if TYPE_CHECKING:
    from runner.ci.api import Api
    from runner.post.plan import PostPlan

WAITS_S: Final = (1.0, 2.0, 5.0, 10.0, 20.0)
"""How long it is waited before the host is looked at again: it may show later what it has taken."""

LATE_S: Final = 10.0
"""After so long the host gives up on a request itself: one that was lost has arrived by then, or never will.
https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api#timeouts"""

BETWEEN_S: Final = 1.0
"""Between two requests that change something, as the host asks for:
https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api."""

REFUSED: Final = 422
"""The status of a place that the host does not take."""

FORBIDDEN: Final = frozenset({"FORBIDDEN", "INSUFFICIENT_SCOPES"})


class Sending:
    """One post, and at any moment what has become of it, also for another thread: `posted` is what is known to stand
    there."""

    def __init__(self, plan: PostPlan, author: Author, api: Api) -> None:
        self._plan, self._author, self._api, self._sleep = plan, author, api, api.patience.sleep
        self._waits = iter(WAITS_S)
        self._taken: list[Act] = []
        self._lost: Act | None = None
        self._first: There | None = None
        self._may_resolve = True
        self.posted = Posted("")
        self.doing = ""
        """What is on its way to the host just now."""

    def run(self) -> Posted:
        """Post what is missing. Returns when all of it stands there. Raises PostProblem."""
        while True:
            there = self._look()
            todo = self._todo(there)
            if self._lost is not None and self._lost not in todo:
                self._taken.append(self._lost)  # it has arrived
            self._lost, self.doing = None, ""
            self._note(there)
            if not todo:
                return self.posted
            fresh = [act for act in todo if not self._was_taken(act)]
            if not fresh:
                self._wait(f"the host has taken {todo[0].what}, but does not show it as it was sent")
            for act in fresh:
                if not self._do(act, there):
                    break

    def _look(self) -> There:
        try:
            there = look(self._plan, self._author.key, self._api)
        except NoAnswer as problem:
            raise PostProblem(f"what stands on {self._where} cannot be read: {problem}") from None
        if self._plan.head and there.head != self._plan.head:
            now = f"at {there.head[:12]} by now" if there.head else "not to be found"
            raise PostProblem(
                f"pull request {self._plan.number} is {now}, and this is about {self._plan.head[:12]}: it would be "
                "about code that is no more"
            )
        self._first = self._first or there
        return there

    def _todo(self, there: There) -> list[Act]:
        found = missing(self._plan, there, self._author)
        return [act for act in found if self._may_resolve or not isinstance(act, Resolve)]

    def _was_taken(self, act: Act) -> bool:
        """Whether the host has taken it, or a part of it: it may show some comments of a review before the others."""
        spots = {spot for one in self._taken if isinstance(one, Review) for spot in one.spots}
        return act in self._taken or (isinstance(act, Review) and not spots.isdisjoint(act.spots))

    def _do(self, act: Act, there: There) -> bool:
        """Whether what comes next may be done as well, without looking again."""
        if self._taken:
            self._sleep(BETWEEN_S)
        self.doing = act.what
        try:
            act.do(self._api)
            self.doing = ""
        except NoAnswer as problem:
            self.doing = act.what if problem.lost else ""
            if problem.lost:
                self._lost = act
                self._wait(f"nobody knows whether {act.what} was posted: {problem}", LATE_S)
            elif problem.status == REFUSED and isinstance(act, Review | AtFile):
                self._gather(act, problem)
            elif isinstance(act, Resolve) and problem.kinds & FORBIDDEN:
                self._may_resolve = False
            else:
                raise PostProblem(f"{act.what} cannot be posted: {problem}") from None
            return False
        self._taken.append(act)
        self._note(there)
        return True

    def _gather(self, act: Review | AtFile, problem: NoAnswer) -> None:
        """Bring what the host does not take at its place into the comment, and say so."""
        spots = act.spots if isinstance(act, Review) else (act.spot,)
        refused = tuple(one.comment for one in spots)
        kept = tuple(one for one in self._plan.comments if one not in refused)
        stand = "stand" if isinstance(act, Review) else "stands"
        plan = gathered(replace(self._plan, comments=refused), f"{act.what} {stand} here: {problem}")
        self._plan = replace(plan, comments=kept)

    def _wait(self, why: str, least: float = 0) -> None:
        seconds = next(self._waits, None)
        if seconds is None:
            raise PostProblem(why)
        self._sleep(max(seconds, least))

    # -- what has become of it ----------------------------------------------------------------------------------------

    def _note(self, there: There) -> None:
        """What is known to be done by now."""
        assert self._first is not None
        before = self._first.places
        at_places = sum(len(one.spots) if isinstance(one, Review) else isinstance(one, AtFile) for one in self._taken)
        self.posted = Posted(
            url=there.stickies[0].url if there.stickies else "",
            comments=at_places,
            known=sum(one.place in before for one in self._plan.comments),
            resolved=sum(isinstance(one, Resolve) for one in self._taken),
            written=len(self._taken),
            remarks=(*self._plan.remarks, *self._remarks(there)),
        )

    def _remarks(self, there: There) -> list[str]:
        told = []
        left = len([one for one in outdated(self._plan, there) if not (one.may_resolve and self._may_resolve)])
        if left:
            comments = "1 comment of ours is" if left == 1 else f"{left} comments of ours are"
            told.append(f"{comments} outdated and not resolved: for that the host wants `contents: write`")
        if len(there.stickies) > 1:
            others = ", ".join(one.url for one in there.stickies[1:])
            told.append(
                f"two runs have posted at once: {there.stickies[0].url} is kept up to date, and nobody needs {others}; "
                "a `concurrency` group has one run wait for the other"
            )
        return told

    @property
    def _where(self) -> str:
        return f"{self._plan.repository}#{self._plan.number}"
