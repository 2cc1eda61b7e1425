"""Estimates of prompts: nearer to what is counted than a quarter of the characters, rather too many than too few."""

from __future__ import annotations

import pytest

from runner.tokens import Surplus, tokens, tokens_sent

CHINESE = "人工智能代理在持续集成中运行时，必须遵守令牌和费用的预算限制，否则账单会令人意外。" * 20  # noqa: RUF001

COUNTED = {
    "prose": ("The quick brown fox jumps over the lazy dog while seventeen engineers debate. " * 20, 281),
    "chinese": (CHINESE, 980),
    "russian": ("Запуск агентов в непрерывной интеграции не должен превышать бюджет токенов и денег. " * 20, 881),
    "digits": ("3141592653" * 100, 400),
}
"""Texts, and what the dearest of four families of tokenizers counts in them."""


@pytest.mark.parametrize("name", COUNTED)
def test_a_text_is_estimated_near_what_is_counted_and_not_below(name: str) -> None:
    text, counted = COUNTED[name]
    assert 0.97 * counted <= tokens(text) <= 1.5 * counted


def test_an_empty_text_has_none() -> None:
    assert tokens("") == 0


def test_all_that_is_sent_is_estimated() -> None:
    said = [{"role": "user", "content": [{"text": "word " * 100}]}]
    used = [{"role": "assistant", "content": [{"toolUse": {"name": "t", "input": {"a": "word " * 100}}}]}]
    bare = tokens_sent(said)
    assert bare > 100
    assert tokens_sent([*said, *used]) > 2 * bare
    assert tokens_sent(said, None, "word " * 100) == pytest.approx(2 * bare, rel=0.1)
    assert tokens_sent(said, [{"name": "tool", "description": "word " * 100}]) > 2 * bare


def test_half_a_character_can_be_estimated() -> None:
    assert tokens("\ud83d" * 10) > 0


def test_what_stands_around_every_prompt_does_not_make_long_ones_longer() -> None:
    known = Surplus()
    known.learn(10, 360)
    assert (known.over(10), known.over(100_000)) == (360, 100_350)


def test_nothing_is_learnt_from_a_prompt_that_had_fewer() -> None:
    known = Surplus()
    known.learn(10, 1)
    known.learn(5000, 100)
    assert (known.over(10), known.over(5000)) == (10, 5000)
