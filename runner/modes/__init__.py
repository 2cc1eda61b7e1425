"""What an invocation can do, a module for each, and which of them it is. None is loaded before it is asked for: who
checks a file waits for nothing that runs one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runner.door import Door
    from runner.inputs import ActionInputs


def serve(door: Door, inputs: ActionInputs) -> int:
    """Do what the inputs ask for, and return the exit code. Raises RunnerError for what cannot be done at all."""
    door.stand(inputs)
    if why := door.standing.outsider:
        return door.skip(f"nothing runs, as only writers may start it ('only-writers'): {why}", inputs)
    door.standing.refuse()
    if inputs.post_plan is not None:
        from runner.modes.post import post

        return post(door, inputs)
    if inputs.mode == "test" or inputs.records_cases:
        from runner.modes.test import test

        return test(door, inputs)
    if inputs.mode == "validate":
        from runner.modes.validate import validate

        return validate(door, inputs)
    if inputs.mode == "plan":
        from runner.modes.plan import plan

        return plan(door, inputs)
    from runner.modes.run import run

    return run(door, inputs)
