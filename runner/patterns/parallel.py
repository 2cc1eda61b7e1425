"""parallel: branches at once, none seeing another; then a reduce, a step or a gate, that sees them all.

Without one the answer is the branches' answers, joined in the order they are written.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from runner.patterns.chain import in_a_row
from runner.patterns.together import together
from runner.plan.scope import Answers

if TYPE_CHECKING:
    from runner.plan.flows import ParallelFlow
    from runner.plan.scope import Scope
    from runner.step import RunStep


async def parallel(flow: ParallelFlow, scope: Scope, run: RunStep) -> Scope:
    work = [partial(in_a_row, branch.steps, scope, run) for branch in flow.branches]
    ends = await together(work, keep_going=flow.keep_going)
    answers = {branch.id: end.last or end.steps[-1] for branch, end in zip(flow.branches, ends, strict=True)}
    scope = scope.with_names(branches=Answers(tuple(answers.values()), answers)).joining([*answers.values()])
    if flow.reduce is None:
        return scope
    result = await run(flow.reduce, scope, flow.reduce.path)
    return scope.with_names(reduce_response=result.response).answered(result)
