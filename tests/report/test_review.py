"""The review of a re-recording as people and programs read it, and the sentences of its gates."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runner.report.results import Usage
from runner.report.review import MAX_BYTES, MOST_REASONS, as_json, as_markdown, too_much
from runner.report.verdicts import VERDICTS, Review, Reviewed, Side
from tests.hostile import TEXTS
from tests.report.reader import on_github


def side(tokens: int = 100, cost: float | None = 0.5, **changes: Any) -> Side:
    """One side that took so many tokens, a tenth of them received, in one turn."""
    unpriced = () if cost is not None else ("openai/m",)
    defaults: dict[str, Any] = {"response": "an answer", "turns": 1, "unpriced": unpriced}
    return Side(usage=Usage(tokens - tokens // 10, tokens // 10), cost_usd=cost, **{**defaults, **changes})


def step(before: Side | None, after: Side | None, path: str = "steps[0]", **changes: Any) -> Reviewed:
    return Reviewed(path, before=before, after=after, **{"verdict": "changed", "reasons": ("a reason",), **changes})


def added(after: Side, path: str = "steps[9]") -> Reviewed:
    return step(None, after, path, verdict="added")


def rows(review: Review) -> list[list[str]]:
    """The cells of the table."""
    lines = [line for line in as_markdown(review).splitlines() if line.startswith("| <code>")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


# -- Markdown ---------------------------------------------------------------------------------------------------------


def test_the_headline_counts_each_verdict_that_there_is() -> None:
    names = ("added", "changed", "changed", "unchanged")
    review = Review(tuple(step(side(), side(), verdict=one) for one in names))
    assert as_markdown(review).startswith("### Recordings: 1 added, 2 changed, 1 unchanged\n")
    assert as_markdown(Review()).startswith("### Recordings: none\n")


def test_the_totals_stand_below_it() -> None:
    text = as_markdown(Review((step(side(100), side(150)), added(side(50, 0.25)))))
    assert "- **Tokens** 90 in, 10 out → 180 in, 20 out (+100 %)\n" in text
    assert "- **Cost** $0.5000 → $0.7500 (+50 %)\n" in text


def test_a_row_tells_verdict_reasons_tokens_cost_and_turns() -> None:
    changed = step(side(100), side(200, 1.0, turns=3), reasons=("one", "two"), notes=("beside",))
    assert rows(Review((changed,))) == [
        [
            "<code>steps[0]</code>",
            "❗ changed",
            "one<br>two<br>_beside_",
            "90 in, 10 out → 180 in, 20 out (+100 %)",
            "$0.5000 → $1.00 (+100 %)",
            "1 → 3",
        ]
    ]


def test_what_is_as_it_was_is_told_once() -> None:
    [row] = rows(Review((step(side(), side(), verdict="reworded"),)))
    assert row[3:] == ["90 in, 10 out", "$0.5000", "1"]


def test_a_side_that_is_not_there_is_left_out() -> None:
    found = rows(Review((added(side(100)), step(side(50), None, verdict="removed"))))
    assert [row[3] for row in found] == ["90 in, 10 out", "45 in, 5 out"]


def test_a_cost_that_is_unknown_says_so() -> None:
    [row] = rows(Review((step(side(), side(cost=None)),)))
    assert row[4] == "$0.5000 → unknown"


def test_unchanged_steps_have_no_row_and_no_answers() -> None:
    review = Review((step(side(), side(), verdict="unchanged"),))
    assert rows(review) == []
    assert "<details>" not in as_markdown(review)


def test_unchanged_answers_to_another_question_are_counted() -> None:
    same = step(side(), side(), verdict="unchanged", notes=("asked otherwise: question",))
    other = step(side(), side(), verdict="unchanged", notes=("written by hand before",))
    assert "Asked otherwise, and answered as before: 2." in as_markdown(Review((same, same, other)))
    assert "Asked otherwise" not in as_markdown(Review((other,)))


def test_the_answers_of_what_has_changed_are_folded_below() -> None:
    changed = step(side(response="it was", by_hand=True), side(response="it is"))
    reworded = step(side(response="not this"), side(response="nor this"), verdict="reworded")
    text = as_markdown(Review((changed, reworded)))
    assert [told for told, inside in on_github(text).texts if inside == "code"][-2:] == ["it was\n", "it is\n"]
    assert "Before, written by hand:" in text


def test_only_the_first_reasons_are_told_and_the_others_counted() -> None:
    [row] = rows(Review((step(side(), side(), reasons=tuple(f"reason {at}" for at in range(MOST_REASONS + 3))),)))
    assert row[2].endswith(f"reason {MOST_REASONS - 1}<br>and 3 more")


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_nothing_that_was_recorded_acts_in_it(name: str) -> None:
    def frame(text: str) -> list[tuple[str, ...]]:
        bad = step(side(response=text), side(response=text), path=text, reasons=(text,), notes=(f"a {text}",))
        return on_github(as_markdown(Review((bad,)))).tags

    assert frame(TEXTS[name]) == frame("words")


@pytest.mark.parametrize("most", [MAX_BYTES, 5_000])
@pytest.mark.parametrize("text", ["🪙" * 100_000, "<" * 100_000, "`" * 100_000])
def test_it_is_never_longer_than_a_comment_may_be(text: str, most: int) -> None:
    steps = [step(side(response=text), side(response=text), f"steps[{at}]", reasons=(text,) * 20) for at in range(300)]
    whole = as_markdown(Review(tuple(steps)), most)
    assert len(whole.encode()) <= most
    assert "more, in the JSON" in whole
    on_github(whole)


def test_what_does_not_fit_is_said_to_be_missing() -> None:
    long = "word " * 700
    steps = [step(side(response=long), side(response=long), f"steps[{at}]") for at in range(20)]
    text = as_markdown(Review(tuple(steps)))
    assert text.endswith("_The rest is left out here; the JSON has all of it._\n")
    assert 0 < on_github(text).count("pre") < 40
    assert len(rows(Review(tuple(steps)))) == 20


# -- JSON -------------------------------------------------------------------------------------------------------------


def test_the_json_has_all_of_it() -> None:
    changed = step(side(100, data={"a": 1}), side(200, None), notes=("beside",))
    found = json.loads(as_json(Review((changed, added(side(10))))))
    assert found["counts"] == {**dict.fromkeys(VERDICTS, 0), "changed": 1, "added": 1}
    assert (found["before"]["input_tokens"], found["after"]["input_tokens"]) == (90, 189)
    assert (found["before"]["cost_usd"], found["after"]["cost_usd"]) == (0.5, None)
    assert found["after"]["unpriced"] == ["openai/m"]
    first, second = found["steps"]
    assert {name: first[name] for name in ("path", "verdict", "reasons", "notes")} == {
        "path": "steps[0]",
        "verdict": "changed",
        "reasons": ["a reason"],
        "notes": ["beside"],
    }
    assert first["before"] == {
        "input_tokens": 90,
        "output_tokens": 10,
        "cost_usd": 0.5,
        "unpriced": [],
        "turns": 1,
        "by_hand": False,
        "response": "an answer",
        "data": {"a": 1},
    }
    assert (second["before"], second["after"]["output_tokens"]) == (None, 1)


# -- gates ------------------------------------------------------------------------------------------------------------


def test_a_step_whose_tokens_doubled_is_named_with_its_numbers() -> None:
    quiet = step(side(10_000), side(10_000), "steps[1]")
    assert too_much(Review((step(side(100), side(200)), quiet)), 25, None) == [
        "steps[0]: 100 → 200 tokens, 100 % more; 25 % more are allowed"
    ]


def test_what_is_allowed_is_allowed_to_the_token() -> None:
    assert too_much(Review((step(side(100), side(125)),)), 25, None) == []
    assert len(too_much(Review((step(side(100), side(126)),)), 25, None)) == 2


def test_none_more_can_be_allowed() -> None:
    assert too_much(Review((step(side(100), side(100)),)), 0, 0) == []
    assert too_much(Review((step(side(100), side(90)),)), 0, 0) == []
    assert len(too_much(Review((step(side(100), side(101)),)), 0, None)) == 2


def test_no_limit_is_no_limit() -> None:
    assert too_much(Review((step(side(100), side(9000, 900.0)),)), None, None) == []


def test_an_added_step_counts_to_the_total_and_to_nothing_else() -> None:
    review = Review((added(side(60)), step(side(100), side(100))))
    assert too_much(review, 50, None) == ["all steps together: 100 → 160 tokens, 60 % more; 50 % more are allowed"]
    assert too_much(review, 60, None) == []


def test_what_was_saved_elsewhere_does_not_excuse_a_step() -> None:
    review = Review((step(side(100), side(150)), step(side(1000), side(10), "steps[1]")))
    assert too_much(review, 25, None) == ["steps[0]: 100 → 150 tokens, 50 % more; 25 % more are allowed"]


def test_a_first_recording_is_measured_by_nothing() -> None:
    assert too_much(Review((added(side(100)), added(side(100, None)))), 0, 0) == []


def test_what_was_written_by_hand_is_no_measure() -> None:
    review = Review((step(side(0, 0.0, by_hand=True), side(500)),))
    assert too_much(review, 0, 0) == []


def test_a_cost_that_grew_is_told_in_dollars() -> None:
    assert too_much(Review((step(side(cost=0.5), side(cost=0.75)),)), None, 40) == [
        "steps[0]: about $0.5000 → $0.7500, 50 % more; 40 % more are allowed",
        "all steps together: about $0.5000 → $0.7500, 50 % more; 40 % more are allowed",
    ]
    assert too_much(Review((step(side(cost=0.3), side(cost=0.1 + 0.2)), step(side(), side()))), None, 0) == []


def test_what_was_free_and_is_not_has_grown_beyond_any_percent() -> None:
    [sentence, _] = too_much(Review((step(side(cost=0.0), side(cost=0.5)),)), None, 1000)
    assert sentence == "steps[0]: about $0.00 → $0.5000; 1000 % more are allowed"


@pytest.mark.parametrize("sides", [(side(), side(cost=None)), (side(cost=None), side()), (side(cost=None),) * 2])
def test_a_limit_on_a_cost_that_is_unknown_names_the_model(sides: tuple[Side, Side]) -> None:
    assert too_much(Review((step(*sides), step(*sides))), None, 25) == [
        "no price is known for openai/m, so its cost cannot be held to an increase of 25 %"
    ]
    assert too_much(Review((step(*sides),)), 25, None) == []


def test_a_known_cost_is_held_beside_an_unknown_one() -> None:
    review = Review((step(side(), side(cost=None), "steps[0]"), step(side(cost=0.5), side(cost=1.0), "steps[1]")))
    assert [one.partition(":")[0].partition(",")[0] for one in too_much(review, None, 25)] == [
        "steps[1]",
        "no price is known for openai/m",
    ]
