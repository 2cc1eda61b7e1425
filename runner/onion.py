"""What wraps a call of a run, from the inside out. The order is the design.

A pause holds no slot and no place in a lane; waiting for either costs no time of the step's; what a provider has no
room for waits before it takes a slot, and a session's next step before it takes either; another model is asked only
when all attempts at one have failed. A recording holds all of that, so it is around it, and inside the session, which
it must know. The ledger is asked again at every model turn, in the wrapper around the model itself, so that nothing
goes round it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from runner.calls.budget import budgeted
from runner.calls.fallbacks import falling_back
from runner.calls.lanes import laned
from runner.calls.manners import slotted, staggered, timed
from runner.calls.notes import Diary, noted
from runner.calls.redacted import redacted
from runner.calls.retry import retried
from runner.calls.session import in_session
from runner.calls.structured import structured
from runner.calls.taped import taped

if TYPE_CHECKING:
    from random import Random

    from runner.calls.budget import Ledger
    from runner.calls.call import Invoke
    from runner.notes import Notebook
    from runner.plan.plan import Plan
    from runner.report.events import Emit
    from runner.tape.deck import Deck


def wrapped(
    live: Invoke, plan: Plan, *, ledger: Ledger, deck: Deck, notebook: Notebook | None, emit: Emit, random: Random
) -> Invoke:
    """`live` in everything that the plan asks for."""
    invoke = structured(live, emit)
    if plan.context.redact_pii:
        invoke = redacted(invoke)
    invoke = timed(invoke)
    diary = None if notebook is None else Diary(notebook, emit)
    if plan.context.notes is not None and diary is not None:
        invoke = noted(invoke, diary, plan.context.notes.include_last)
    slots = plan.limits.max_parallel
    invoke = slotted(staggered(invoke, first=slots), asyncio.Semaphore(slots), emit)
    invoke = laned(invoke, plan.limits, emit, random, ledger.pause)
    invoke = falling_back(retried(invoke, plan.limits.retry, emit, random, ledger.pause), emit)
    return budgeted(in_session(taped(invoke, deck, ledger, diary)), ledger)
