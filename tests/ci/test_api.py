"""The one client of the host's API: what it asks, what it makes of answers, and what it never does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from runner.ci.api import Api, api_of
from runner.ci.refusal import NoAnswer
from tests.ci.events import TOKEN
from tests.servers import Answer, WebServer

if TYPE_CHECKING:
    from tests.servers import Request


def api(server: WebServer, path: str = "", **more: Any) -> Api:
    return Api(server.url + path, "octocat/hello", TOKEN, **more)


def answer(content: Any, status: int = 200, **headers: str) -> Answer:
    """JSON; underscores in names of headers stand for hyphens."""
    return Answer(json.dumps(content), status=status, headers={k.replace("_", "-"): v for k, v in headers.items()})


# -- what is asked ----------------------------------------------------------------------------------------------------


def test_a_question_has_the_token_the_version_and_who_asks() -> None:
    with WebServer(answer({"number": 7})) as server:
        assert api(server).get("pulls/7", state="open", page=2).at("number") == 7
    [request] = server.requests
    assert (request.method, request.target) == ("GET", "/repos/octocat/hello/pulls/7?state=open&page=2")
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["x-github-api-version"] == "2022-11-28"
    assert request.headers["user-agent"] == "strands-action"


def test_a_wish_has_its_body_as_json() -> None:
    with WebServer(answer({"id": 1}, 201)) as server:
        assert api(server).send("POST", "issues/7/comments", {"body": "grüß Gott"}).id() == 1
    [request] = server.requests
    assert (request.method, request.headers["content-type"]) == ("POST", "application/json")
    assert request.body == {"body": "grüß Gott"}


@pytest.mark.parametrize("said", [Answer("", status=204), answer([{"name": "bug"}])], ids=["nothing", "a list"])
def test_a_wish_that_is_answered_by_no_object_is_done(said: Answer) -> None:
    with WebServer(said) as server:
        assert api(server).send("DELETE", "issues/7/labels/bug").payload == {}


@pytest.mark.parametrize(
    ("path", "graphql"), [("", "/graphql"), ("/api/v3", "/api/graphql"), ("/api/v3/", "/api/graphql")]
)
def test_a_server_of_ones_own_has_its_api_below_a_path_and_graphql_beside_it(path: str, graphql: str) -> None:
    with WebServer(answer({"data": {"viewer": {"login": "mona"}}})) as server:
        one = api(server, path)
        one.get("pulls/7")
        one.get("/user")
        assert one.ask("query { viewer { login } }").text("viewer", "login") == "mona"
    prefix = path.rstrip("/")
    asked = [request.path for request in server.requests]
    assert asked == [f"{prefix}/repos/octocat/hello/pulls/7", f"{prefix}/user", graphql]


def test_the_address_of_graphql_is_the_jobs() -> None:
    with WebServer(answer({"data": {}})) as server:
        told = {"GITHUB_API_URL": "http://127.0.0.1:9", "GITHUB_GRAPHQL_URL": f"{server.url}/elsewhere"}
        api_of(told, "octocat/hello", TOKEN).ask("query($n: Int!) { a }", n=7)
    [request] = server.requests
    assert (request.method, request.path) == ("POST", "/elsewhere")
    assert request.body == {"query": "query($n: Int!) { a }", "variables": {"n": 7}}


# -- pages ------------------------------------------------------------------------------------------------------------


def paged(pages: int, size: int = 2, *, within: str = "") -> Any:
    """A list over so many pages, which says by a link where the next one is."""

    def reply(request: Request) -> Answer:
        at = int(dict(part.split("=") for part in request.query.split("&")).get("page", "1"))
        items = [{"id": number} for number in range((at - 1) * size, at * size)]
        host = request.headers["host"]
        link = f'<http://{host}/x?page=1>; rel="first", <http://{host}/x?page={at + 1}>; rel="next"'
        return answer({within: items} if within else items, **({"link": link} if at < pages else {}))

    return reply


@pytest.mark.parametrize("within", ["", "jobs"])
def test_a_list_is_read_over_all_its_pages(within: str) -> None:
    with WebServer(paged(3, 100, within=within)) as server:
        found = [one.id() for one in api(server).pages("pulls/7/files", within=within)]
    assert found == [*range(300)]
    assert server.requests[0].query == "per_page=100"
    assert all(request.headers["authorization"] == f"Bearer {TOKEN}" for request in server.requests)


@pytest.mark.parametrize(("most", "requests"), [(1, 1), (100, 1), (101, 2), (250, 3)])
def test_of_a_list_no_more_is_read_than_was_asked_for(most: int, requests: int) -> None:
    with WebServer(paged(1000, 100)) as server:
        assert len([*api(server).pages("issues", most=most)]) == most
        assert len(server.requests) == requests


def test_a_list_whose_pages_have_no_end_is_left() -> None:
    with WebServer(paged(10**9, 0)) as server:
        assert [*api(server).pages("issues", most=500)] == []
        assert len(server.requests) == 6


def test_a_next_page_somewhere_else_is_not_asked_for() -> None:
    with WebServer(answer([])) as elsewhere:
        with WebServer(answer([{}], link=f'<{elsewhere.url}/x>; rel="next"')) as server:
            found = api(server).pages("issues")
            assert next(found).payload == {}
            with pytest.raises(NoAnswer, match="said to be somewhere else"):
                next(found)
        assert elsewhere.requests == []


@pytest.mark.parametrize("said", [{"message": "no"}, "text", None, 1, [1], [[]]])
def test_what_is_no_list_of_objects_is_no_answer(said: Any) -> None:
    with WebServer(answer(said)) as server, pytest.raises(NoAnswer, match="is not a"):
        list(api(server).pages("issues"))
