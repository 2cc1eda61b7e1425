"""The one client of the host's API: what it asks, what it makes of answers, and what it never does."""

from __future__ import annotations

import json
import socket
import threading
import time
from contextlib import contextmanager, suppress
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

import pytest

from runner.ci.api import Api, api_of
from runner.ci.http import MOST_TURNS
from runner.ci.refusal import NoAnswer, Passing
from runner.ci.waiting import Patience
from tests.ci.events import TOKEN
from tests.servers import Answer, WebServer
from tests.servers.tls import certified
from tests.servers.web import redirect

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

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
        with pytest.raises(NoAnswer, match="more than 120 pages"):
            list(api(server).pages("issues", most=500))
        assert len(server.requests) == 120


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


# -- where the host sends us on ---------------------------------------------------------------------------------------


def test_a_log_is_fetched_where_the_host_keeps_it_without_the_token() -> None:
    with WebServer("line 1\nline 2\n") as store, WebServer(redirect(f"{store.url}/log?signed=1")) as server:
        assert api(server).text("actions/jobs/1/logs") == "line 1\nline 2\n"
    assert "authorization" in server.requests[0].headers
    assert "authorization" not in store.requests[0].headers
    assert TOKEN not in str(store.requests[0])


def test_at_the_same_host_the_token_goes_along() -> None:
    """As to a repository that has another name now."""
    replies = iter([redirect("/repositories/1/pulls/7", 301), answer({"id": 7})])
    with WebServer(lambda request: next(replies)) as server:
        assert api(server).get("pulls/7").id() == 7
    assert [request.headers["authorization"] for request in server.requests] == [f"Bearer {TOKEN}"] * 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_wish_is_not_sent_on(status: int) -> None:
    """Of a POST that is sent on clients make a GET, whose success says nothing."""
    with WebServer(answer({"id": 1})) as elsewhere:
        with WebServer(redirect(elsewhere.url, status)) as server, pytest.raises(NoAnswer, match="has moved"):
            api(server).send("POST", "issues/7/comments", {})
        assert elsewhere.requests == []


@pytest.mark.parametrize("to", ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://[", "data:,x", "gopher:"])
def test_what_is_no_address_is_not_followed(to: str) -> None:
    with WebServer(redirect(to)) as server, pytest.raises(NoAnswer, match="no safe address"):
        api(server).text("actions/jobs/1/logs")


def test_a_host_that_sends_us_in_a_circle_is_left() -> None:
    with WebServer(redirect("/again")) as server:
        with pytest.raises(NoAnswer, match="without an end"):
            api(server).get("pulls/7")
        assert len(server.requests) == MOST_TURNS


@pytest.mark.parametrize(
    "to", ["http://a..b/x", "/ü", "/a b", "http://127.0.0.1:99999/", "http://127.0.0.1:x/", "//[::1/"]
)
def test_an_address_that_cannot_be_asked_is_no_answer(to: str) -> None:
    with WebServer(redirect(to)) as server, pytest.raises(NoAnswer):
        api(server).text("actions/jobs/1/logs")


def test_a_safe_connection_is_one_to_whom_somebody_vouches_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with WebServer([answer({"id": 1}), redirect("http://127.0.0.1:9/log")], certified("localhost", tmp_path)) as server:
        one = Api(f"https://localhost:{server.port}", "octocat/hello", TOKEN)
        with pytest.raises(NoAnswer, match="certificate verify failed") as caught:
            one.send("POST", "issues/7/comments", {})
        assert not caught.value.lost
        assert server.requests == []
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        one = one.waiting(Patience())
        assert one.get("pulls/7").id() == 1
        with pytest.raises(NoAnswer, match="no safe address"):
            one.text("actions/jobs/1/logs")


# -- texts and sizes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "kept"), [(5, 10), (10, 10), (11, 10), (1_000_000, 10), (1_000_000, 300_000)])
def test_of_a_text_the_end_is_kept(size: int, kept: int) -> None:
    content = "".join(chr(97 + at % 26) for at in range(size))
    with WebServer(content) as server:
        assert api(server).text("actions/jobs/1/logs", kept=kept) == content[-kept:]


def test_a_text_that_failed_half_way_is_read_anew() -> None:
    whole = Answer(raw=b"the whole log")
    with WebServer([Answer(raw=b"another log", reset="during"), whole]) as server:
        assert api(server).text("actions/jobs/1/logs") == "the whole log"


def test_a_text_is_read_whatever_its_bytes_are() -> None:
    with WebServer(Answer(raw=b"\xff\xfe ok")) as server:
        assert api(server).text("actions/jobs/1/logs") == "�� ok"


def test_an_answer_that_ends_too_soon_is_none() -> None:
    cut = b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{}"
    with closing(cut) as url, pytest.raises(NoAnswer, match="ends too soon"):
        Api(url, "octocat/hello", TOKEN).get("pulls/7")


def test_an_answer_has_a_bound_and_so_has_what_a_failure_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runner.ci.api.MAX_ANSWER", 2 * 1024 * 1024)
    with WebServer(Answer(" " * 2 * 1024 * 1024 + "{}")) as server, pytest.raises(NoAnswer, match="larger than 2 MiB"):
        api(server).get("pulls/7")
    with WebServer(Answer("x" * 4 * 1024 * 1024, status=422)) as server, pytest.raises(NoAnswer, match="status 422"):
        api(server).get("pulls/7")


@pytest.mark.parametrize(
    ("begins", "goes_on"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n", b" "),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"0"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", b"a: b\r\n"),
    ],
    ids=["before it", "its headers", "its body", "the size of a piece", "behind its end"],
)
def test_an_answer_that_trickles_is_not_waited_for(
    begins: bytes, goes_on: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.ci.http.WHOLE_S", 0.1)
    begun = time.monotonic()
    with saying(chain([begins], repeat(goes_on, 500))) as url:
        with pytest.raises(NoAnswer, match="takes too long to answer") as caught:
            Api(url, "octocat/hello", TOKEN).send("POST", "issues/7/comments", {})
        assert time.monotonic() - begun < 2
    assert (caught.value.lost, isinstance(caught.value, Passing)) == (True, False)


@contextmanager
def saying(pieces: Iterable[bytes]) -> Iterator[str]:
    """A host that says this to the first who comes, a piece every hundredth of a second."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError), server.accept()[0] as connection:
                connection.recv(65536)
                for piece in pieces:
                    connection.sendall(piece)
                    time.sleep(0.01)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join()


@contextmanager
def closing(said: bytes) -> Iterator[str]:
    """A host that says this to everybody, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        connection.recv(65536)
                        connection.sendall(said)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


# -- proxies ----------------------------------------------------------------------------------------------------------


def test_a_proxy_is_for_every_host_that_is_no_exception() -> None:
    """Also where the host sends us on."""
    with WebServer("the log") as store, WebServer(redirect(f"{store.url}/log")) as proxy:
        around = {"http_proxy": proxy.url.replace("//", "//mona:pass%20word@"), "GITHUB_API_URL": "http://api.example"}
        one = api_of(around | {"NO_PROXY": "127.0.0.1"}, "octocat/hello", TOKEN)
        assert one.text("actions/jobs/1/logs") == "the log"
    assert [request.target for request in proxy.requests] == [
        "http://api.example/repos/octocat/hello/actions/jobs/1/logs"
    ]
    assert proxy.requests[0].headers["proxy-authorization"] == "Basic bW9uYTpwYXNzIHdvcmQ="
    assert [request.target for request in store.requests] == ["/log"]
    assert not {"proxy-authorization", "authorization"} & {*store.requests[0].headers}


def test_a_safe_connection_goes_through_a_proxy_that_never_sees_the_token() -> None:
    with WebServer(Answer("", status=503)) as proxy:
        around = {"https_proxy": proxy.url, "GITHUB_API_URL": "https://api.example"}
        with pytest.raises(NoAnswer, match="cannot be asked: Tunnel connection failed: 503"):
            api_of(around, "octocat/hello", TOKEN).get("pulls/7")
    assert {(request.method, request.target) for request in proxy.requests} == {("CONNECT", "api.example:443")}
    assert "authorization" not in proxy.requests[0].headers
