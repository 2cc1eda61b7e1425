"""A lane for every model at its address: as many calls at once as its provider serves, and none where it is pointless.

A lane is told how every attempt ended. A provider that throttles narrows it (`window`), one that keeps failing closes
it for a while (`circuit`), and one that refuses the credentials closes it for good. Retries are not made here: what is
turned away is told why, and `retried` decides.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import nullcontext
from typing import TYPE_CHECKING, Final, TypeAlias

from runner.calls.circuit import Circuit
from runner.calls.retry import pause
from runner.calls.window import QUIET_S, Window
from runner.errors import ModelProblem
from runner.report.events import CircuitOpened, Throttled
from runner.tape.recording import Fault, Turn
from runner.tape.reel import Player

if TYPE_CHECKING:
    from random import Random

    from runner.calls.call import Call, Invoke, Paused, Reply
    from runner.plan.plan import Limits, ModelRecipe
    from runner.report.events import Emit

Address: TypeAlias = tuple[str, str, str]
"""Provider, host and region: whoever knows the credentials."""


WORTH_A_REFUSAL: Final = 8
"""Calls that should be served for one that is refused, or the steps of a run would soon have no attempts left."""


def laned(invoke: Invoke, limits: Limits, emit: Emit, random: Random, paused: Paused = nullcontext) -> Invoke:
    """Each attempt in the lane of the model that it asks. A recording asks nobody, and goes past them."""
    lanes = Lanes(limits, emit, random)

    async def in_lane(call: Call) -> Reply:
        if isinstance(call.reel, Player):
            return await invoke(call)
        lane = lanes.of(call.step.agent.model)
        try:
            async with paused():
                number = await lane.enter(spare=call.spare)
        except ModelProblem as problem:
            _noted(call, problem)
            raise
        try:
            reply = await invoke(call)
        except ModelProblem as problem:
            if problem.unauthorized:
                lanes.shut(call.step.agent.model, problem)
            lane.failed(number, problem)
            raise
        except BaseException:
            lane.leave(number)
            raise
        lane.served(number)
        return reply

    return in_lane


def _noted(call: Call, problem: ModelProblem) -> None:
    """A turn without a request is one of the recording all the same, or its replay would end at another model."""
    given_up = problem.unavailable and not problem.transient
    fault = Fault(problem.message, problem.transient, given_up, problem.retry_after)
    call.reel.ended(Turn(call.step.agent.model.name, fault=fault))  # type: ignore[union-attr]  # no player comes here
    call.tally.turns += 1


class Lanes:
    """The lanes of one run, each made when it is first needed.

    Rate limits and overload are mostly a model's own, so that a fallback at the same provider may still be asked;
    credentials are its provider's.
    """

    def __init__(self, limits: Limits, emit: Emit, random: Random) -> None:
        self._limits, self._emit, self._random = limits, emit, random
        self._lanes: dict[tuple[Address, str], Lane] = {}
        self._shut: dict[Address, ModelProblem] = {}

    def of(self, model: ModelRecipe) -> Lane:
        key = (_address(model), model.model_id)
        if key not in self._lanes:
            self._lanes[key] = lane = Lane(model.name, self._limits, self._emit, self._random)
            if (problem := self._shut.get(key[0])) is not None:
                lane.shut(problem)
        return self._lanes[key]

    def shut(self, model: ModelRecipe, problem: ModelProblem) -> None:
        """Nobody at this address is asked again."""
        self._shut[_address(model)] = problem
        for (address, _), lane in self._lanes.items():
            if address == _address(model):
                lane.shut(problem)


def _address(model: ModelRecipe) -> Address:
    return model.provider, model.host or "", model.region or ""


class Lane:
    """First come, first served. Calls are known by the number under which they began, from 1."""

    def __init__(self, name: str, limits: Limits, emit: Emit, random: Random) -> None:
        self._name, self._policy, self._emit, self._random = name, limits.retry, emit, random
        self.window, self._circuit = Window(limits.max_parallel), Circuit(limits.retry.wait_max)
        self.in_flight = 0
        self._newest = 0
        self._queue = deque[tuple[asyncio.Future[int], bool]]()
        self._shut: ModelProblem | None = None
        self._last: ModelProblem = ModelProblem("")
        self._held_until, self._alone, self._served, self._fell = 0.0, 0, 0, False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        return sum(not place.done() for place, _ in self._queue)

    async def enter(self, *, spare: bool) -> int:
        """Wait for a place, and take it. Raises ModelProblem where that is not worth it; with somebody `spare` to ask,
        it is not even worth a pause."""
        if (refusal := self._refusal(spare=spare)) is not None:
            raise refusal  # also past those who wait
        place: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._queue.append((place, spare))
        self._admit()
        try:
            return await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.exception() is None:
                self.leave(place.result())
            raise

    # -- what came of a call -------------------------------------------------------------------------------------------

    def served(self, number: int) -> None:
        self._served += 1
        self._circuit.answered()
        self.window.served(self.in_flight)
        self.leave(number)

    def failed(self, number: int, problem: ModelProblem) -> None:
        """What fails for a reason of its own says nothing of its provider."""
        if problem.throttled:
            self._circuit.answered()
            self._refused(number, problem)
        elif problem.transient:
            self._last = problem
            if self._circuit.failed(number, self._newest, _now()):
                circuit = self._circuit
                self._emit(CircuitOpened(self._name, circuit.failures, circuit.cool_down_s, problem.message))
        elif problem.unavailable:  # a quota does not come back while a run goes on
            self._shut = problem
        self.leave(number)

    def leave(self, number: int) -> None:
        self._circuit.ended(number)
        self.in_flight -= 1
        self._admit()

    def shut(self, problem: ModelProblem) -> None:
        """Nobody is let in any more, for this reason."""
        self._shut = problem
        self._admit()

    def _refused(self, number: int, problem: ModelProblem) -> None:
        """A call that was refused although no other was in flight came too early, not one too many: then all wait."""
        others = self.in_flight - 1
        self._fell = self.window.refused(number, self._newest, others) or self._fell
        if others == 0 and (wait_s := self._hold(problem)):
            self._tell_of_a_fall(wait_s)

    def _hold(self, problem: ModelProblem) -> float:
        """Let nobody in for as long as the server asks, or as the policy says: longer, where too few were served since,
        and otherwise less long."""
        now, policy = _now(), self._policy
        self._alone = max(1, self._alone - 1 if self._served >= WORTH_A_REFUSAL else self._alone + 1)
        self._served = 0
        if problem.retry_after is None:  # who was refused waits as long as the others do, and says so
            problem.retry_after = min(policy.wait_max, pause(policy, self._alone, self._random))
        wait_s = max(problem.retry_after, min(policy.wait_min, policy.wait_max))
        self._last, self._held_until = problem, now + wait_s
        if self._timer is not None:  # it may be for later
            self._timer.cancel()
            self._timer = None
        return wait_s

    def _tell_of_a_fall(self, wait_s: float = 0.0) -> None:
        self._fell = False
        self._emit(Throttled(self._name, self.window.limit, wait_s))

    # -- who may go ----------------------------------------------------------------------------------------------------

    def _admit(self) -> None:
        """Let in whom there is room for, and turn away who would wait for nothing."""
        now = _now()  # once: a hold that ended between two looks would wake nobody
        while self._queue:
            place, spare = self._queue[0]
            if not place.done():  # or it was cancelled
                refusal = self._refusal(spare=spare)
                if refusal is not None:
                    place.set_exception(refusal)
                elif self._has_room(now):
                    self._newest += 1
                    self.in_flight += 1
                    self._circuit.began(self._newest)
                    place.set_result(self._newest)
                    if self._fell:  # to where it fell is known only now: refusals come in bursts
                        self._tell_of_a_fall()
                else:
                    break
            self._queue.popleft()
        if self._queue and self._timer is None:
            left = self._held_until - now
            if left > 0 or self.window.is_opening:
                self._timer = asyncio.get_running_loop().call_later(left if left > 0 else QUIET_S, self._go_on)

    def _go_on(self) -> None:
        self._timer = None
        self.window.quiet()
        self._admit()

    def _has_room(self, now: float) -> bool:
        if self.in_flight >= self.window.limit or self._circuit.is_probed:
            return False
        return now >= self._held_until

    def _refusal(self, *, spare: bool) -> ModelProblem | None:
        """Why a call is not let in, nor kept waiting."""
        if self._shut is not None:
            return self._shut.in_words(f"{self._shut.message}; it was not asked again")
        if (left := self._held_until - _now()) > self._policy.wait_max:
            return self._not_asked(f"not asked: {self._last.message}", left, spare=spare, throttled=True)
        left = self._circuit.left(_now())
        if left > 0 or (spare and self._circuit.is_probed):
            failures = f"its last {self._circuit.failures} calls failed"
            return self._not_asked(f"not asked: {failures}, the last with: {self._last.message}", left, spare=spare)
        return None

    @staticmethod
    def _not_asked(message: str, left: float, *, spare: bool, throttled: bool = False) -> ModelProblem:
        return ModelProblem(message, transient=not spare, used_up=spare, retry_after=left, throttled=throttled)


def _now() -> float:
    return asyncio.get_running_loop().time()
