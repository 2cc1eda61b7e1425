"""A secret is taken out of every text, in every form that programs on the way give it."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.credentials import scrubber
from runner.credentials.scrub import Scrubber

SECRET = 'p@ss/w"örd\\+&=?>'


def learned(*values: str) -> Scrubber:
    scrub = Scrubber()
    scrub.learn(values)
    return scrub


def test_what_nobody_told_of_stays() -> None:
    assert Scrubber()("a text") == "a text"


def test_a_value_is_taken_out_wherever_it_stands() -> None:
    assert learned("abc-123")("abc-123, xabc-123x") == "***, x***x"


@pytest.mark.parametrize(
    "form",
    [
        quote(SECRET),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        json.dumps(SECRET)[1:-1],
        json.dumps(SECRET, ensure_ascii=False)[1:-1],
        b64encode(SECRET.encode()).decode(),
        urlsafe_b64encode(SECRET.encode()).decode(),
    ],
)
def test_a_form_of_a_value_is_taken_out_too(form: str) -> None:
    assert learned(SECRET)(f"<{form}>") == "<***>"


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.text(max_size=5), st.text(min_size=8, max_size=30), st.text(max_size=5))
def test_in_the_midst_of_base64_it_is_taken_out_wherever_it_begins(before: str, value: str, after: str) -> None:
    whole = b64encode((before + value + after).encode()).decode()
    inner = len(b64encode(value.encode()).decode()) - 4  # what the groups at both ends share with others may stay
    assert len(learned(value)(whole).replace("***", "")) <= len(whole) - inner


def test_of_several_values_the_longest_goes_first() -> None:
    assert learned("token-a", "token-a-and-more")("token-a-and-more") == "***"


def test_each_line_of_a_value_is_taken_out() -> None:
    assert learned("-----BEGIN KEY-----\nMIIEvQIBADAN\n-----END-----\n")("read MIIEvQIBADAN there") == "read *** there"


def test_a_short_secret_goes_as_it_is_and_leaves_words_alone_that_look_like_a_form_of_it() -> None:
    scrub = learned("a b+")
    assert scrub("a b+") == "***"
    assert scrub("a+b%2B") == "a+b%2B"


def test_a_short_secret_is_taken_out_of_json() -> None:
    assert learned('a"b\\')(json.dumps(['a"b\\'])) == '["***"]'


def test_a_value_of_the_environment_that_is_only_a_word_stays() -> None:
    assert scrubber({"GITHUB_TOKEN": "token", "OPENAI_API_KEY": "sk-01234567"})("token sk-01234567") == "token ***"


def test_the_password_of_a_proxy_and_the_headers_of_a_collector_are_secrets() -> None:
    scrub = scrubber({"https_proxy": "http://me:hunter2hunter2@p", "OTEL_EXPORTER_OTLP_HEADERS": "a=0123456789,b=c"})
    assert scrub("hunter2hunter2 0123456789 c") == "*** *** c"


def test_the_password_of_a_proxy_is_taken_out_as_it_is_written_and_as_it_is_meant() -> None:
    scrub = scrubber({"HTTPS_PROXY": "http://me:open%40sesame@proxy.test:8080"})
    assert scrub("open%40sesame open@sesame") == "*** ***"


def test_a_proxy_that_is_no_address_is_taken_out_whole() -> None:
    assert scrubber({"HTTP_PROXY": "http://me:sesame@[proxy"})("no proxy http://me:sesame@[proxy") == "no proxy ***"
