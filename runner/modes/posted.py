"""What a run and a post of another job's plan do alike with what is posted."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from runner.posting import MOST_S, Posts

if TYPE_CHECKING:
    from runner.door import Door
    from runner.inputs import ActionInputs
    from runner.posting import Posting
    from runner.report.results import RunReport


def posts(door: Door, inputs: ActionInputs) -> Posts:
    """What this step may post."""
    standing, tell = door.standing, partial(door.log.line, "INFO")
    foreign = inputs.post_plan is not None and not standing.trust.trusted
    return Posts(inputs, door.environ, standing.event, standing.api, door.delivery, tell, foreign)


def posted(door: Door, report: RunReport, posting: Posting | None) -> RunReport:
    """The report with what was posted, when nobody asked to stop."""
    if posting is None or report.status != "success":
        return report if posting is None else posting.cut_off(report)
    try:
        with door.stop.interrupting(), door.last(MOST_S):
            return posting.of(report)
    except KeyboardInterrupt:
        return posting.cut_off(report)
