"""What is wrong with an HTTP executor is told with its place, before anything runs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.build import findings_of, secrets, workflow


def found(*executors: dict[str, Any]) -> list[str]:
    """What is said of executors that are `a` at https://a.test unless they say otherwise, without the file's name."""
    whole = [{"id": "a", "base_url": "https://a.test", **one} for one in executors]
    return [
        one.removeprefix("workflow.yaml:")
        for one in findings_of(workflow(tools={"http_executors": whole}, env=secrets("A", "KEY")))
    ]


@pytest.mark.parametrize(
    "base_url",
    ["https://a.test", "http://a.test:8080/v1/", "HTTPS://A.test/", "http://127.0.0.1", "https://[2606:4700::1]/v1"],
)
def test_a_base_url_is_an_origin_and_a_path(base_url: str) -> None:
    assert found({"base_url": base_url}) == []


@pytest.mark.parametrize(
    "base_url",
    ["", "a.test", "//a.test", "ftp://a.test", "https://", "https://a.test:0", "https://a.test:99999", "https://a b",
     "https://a.test/a b", "https://a.test\\b", "https://a.test/\\b", "https://[::1", "https://é.test", "https://a.test\n"],
)  # fmt: skip
def test_what_is_no_base_url_is_told(base_url: str) -> None:
    assert found({"base_url": base_url}) == [
        f"18:15: base_url {base_url!r} is not one, such as https://api.example.com/v1"
    ]


@pytest.mark.parametrize("base_url", ["https://me:pw@a.test", "https://me@a.test/v1"])
def test_a_base_url_has_no_credentials(base_url: str) -> None:
    (told,) = found({"base_url": base_url})
    assert told == "18:15: base_url has a user or a password in it; send them as a header, from a secret"


@pytest.mark.parametrize("base_url", ["https://a.test/?a=b", "https://a.test/#top", "https://a.test?"])
def test_a_base_url_ends_with_its_path(base_url: str) -> None:
    (told,) = found({"base_url": base_url})
    assert told == "18:15: base_url has a query or a fragment; it is where the paths of requests begin"


@pytest.mark.parametrize("name", ["X Key", "X-Key:", "", "Schlüssel", "X-Key\n"])
def test_a_header_has_a_name_that_can_be_sent(name: str) -> None:
    (told,) = found({"headers": {name: "k"}})
    assert told.endswith(f": {name!r} is not the name of a header")


@pytest.mark.parametrize("name", ["Host", "content-length", "Transfer-Encoding", "Connection", "Proxy-Authorization"])
def test_a_header_that_says_how_a_request_is_carried_is_not_declared(name: str) -> None:
    assert found({"headers": {name: "k"}}) == [
        f"20:{9 + len(name)}: header '{name}' is written by whoever sends the request; leave it away"
    ]


@pytest.mark.parametrize("name", ["topic", "last_response", "secret"])
def test_a_header_is_made_of_secrets_and_text(name: str) -> None:
    (told,) = found({"headers": {"X-Key": f"{{{{ secrets.A }}}} {{{{ {name} | default('') }}}}"}})
    assert told.endswith(f"'X-Key': '{name}' is not known here; a header is made of secrets.<name> and text")


def test_a_header_that_is_no_template_is_told() -> None:
    (told,) = found({"headers": {"X-Key": "{{ secrets."}})
    assert told.startswith("20:14: header 'X-Key': ")


def test_a_header_stands_once_in_whatever_case() -> None:
    (told,) = found({"headers": {"X-Key": "a", "x-key": "b"}})
    assert told.endswith("header 'x-key' stands here again")


SECRET = {"headers": {"X-Key": "{{ secrets.KEY }}"}}


@pytest.mark.parametrize(
    "executor",
    [
        {"base_url": "https://a.test"},
        {"base_url": "http://127.0.0.1:9", "allow_private": True},
        {"base_url": "http://10.0.0.1", "allow_private": True},
        {"base_url": "http://tracker:8080", "allow_private": True},
        {"base_url": "http://tracker.internal", "allow_private": True},
    ],
)
def test_a_secret_is_sent_over_tls_or_nearby(executor: dict[str, Any]) -> None:
    assert found({**SECRET, **executor}) == []


@pytest.mark.parametrize(
    "executor",
    [
        {"base_url": "http://a.test"},
        {"base_url": "http://a.test", "allow_private": True},
        {"base_url": "http://8.8.8.8", "allow_private": True},
        {"base_url": "http://tracker:8080"},
    ],
)
def test_a_secret_is_not_sent_over_plain_http_to_anywhere_else(executor: dict[str, Any]) -> None:
    (told,) = found({**SECRET, **executor})
    assert told.endswith("header 'X-Key' would send a secret over http://, for everybody to read; use https://")


def test_a_header_without_a_secret_may_be_sent_anywhere() -> None:
    assert found({"base_url": "http://a.test", "headers": {"Accept": "text/plain"}}) == []


@pytest.mark.parametrize(
    ("first", "second", "name"),
    [
        ("my.api", "my:api", "my_api"),
        ("a" * 64, "a" * 65, "a" * 64),
        ("current_time", "current.time", "current_time"),
    ],
)
def test_two_tools_that_a_model_could_not_tell_apart_are_told(first: str, second: str, name: str) -> None:
    both = [{"id": first}, {"id": second}] if first != "current_time" else [{}, {"id": second}]
    (told,) = found(*both)
    assert told == f"19:9: tools '{first}' and '{second}' are both '{name}' to a model; call one of them otherwise"


@pytest.mark.parametrize("name", ["a", "web_fetch", "Skill"])
def test_a_name_is_one_tools(name: str) -> None:
    (told,) = found({"id": "a"}, {"id": name})
    assert told == f"19:9: two tools are called '{name}'; an agent could not say which it has"


def test_everything_wrong_is_told_at_once() -> None:
    assert len(found({"base_url": "b", "headers": {"Host": "{{ x }}"}}, {"id": "b", "base_url": "http://me@a"})) == 4
