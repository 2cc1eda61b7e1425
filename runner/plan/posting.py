"""What a file says of posting its answer. What becomes of it is in `runner.post`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runner.plan.plan import PostRecipe

if TYPE_CHECKING:
    from runner.plan.problems import Find
    from runner.spec import models as spec

MOST_COMMENTS: Final = 100
LONGEST_LABEL: Final = 50  # the host's own limit
LONGEST_CHECK: Final = 100


def post_recipe(source: spec.Spec, find: Find) -> PostRecipe:
    """What may be posted of one file's answer; what no host would take is found."""
    asked, place = source.outputs.post, ("outputs", "post")
    if asked is None:
        return PostRecipe()
    if asked.max_comments > MOST_COMMENTS:
        find(f"at most {MOST_COMMENTS} comments are made at once", (*place, "max_comments"))
    for index, label in enumerate(asked.labels):
        if len(label) > LONGEST_LABEL:
            find(f"a label has at most {LONGEST_LABEL} characters", (*place, "labels", index))
    if asked.check is not None and len(asked.check) > LONGEST_CHECK:
        find(f"a check's name has at most {LONGEST_CHECK} characters", (*place, "check"))
    return PostRecipe(asked.from_, tuple(dict.fromkeys(asked.labels)), asked.check, asked.max_comments)
