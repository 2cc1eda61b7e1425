"""HTTP executors in whole runs: a model asks below one declared URL, and cannot be talked into anything else."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner import run
from runner.agents.tools.executor import check_path, described, parameters
from runner.agents.tools.tool import ToolProblem
from runner.plan.tools import HttpTool
from tests.agents.toolwork import Used, use
from tests.build import secrets as declare
from tests.servers import Answer, Internet, WebServer
from tests.servers.internet import PUBLIC
from tests.servers.tls import certified
from tests.servers.web import redirect
from tests.workspace import Workspace

TOKEN = "s3cr3t-of-the-api"
DECLARED = declare("TOKEN")


def get(path: str, **more: Any) -> tuple[str, dict[str, Any]]:
    return "api", {"path": path, **more}


def api(base_url: str, **changes: Any) -> dict[str, Any]:
    """The executor `api` with a header of its own, on this machine."""
    one = {"id": "api", "base_url": base_url, "headers": {"X-Key": "the-declared-key"}, "allow_private": True}
    return {"http_executors": [{**one, **changes}]}


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch, workspace: Workspace) -> dict[str, str]:
    """The secrets of the runs of a test."""
    workspace.environ["TOKEN"] = TOKEN
    found: dict[str, str] = {"TOKEN": TOKEN}

    class WithSecrets(run.Run):
        def __init__(self, plan: Any, around: Any) -> None:
            around.scrub.learn(found.values())
            super().__init__(plan, replace(around, secrets=found))

    monkeypatch.setattr(run, "Run", WithSecrets)
    return found


# -- what is asked ----------------------------------------------------------------------------------------------------


def test_a_request_goes_below_the_base_url_with_the_declared_headers(workspace: Workspace):
    with WebServer(Answer('{"id": 7}', content_type="application/json")) as server:
        used = use(workspace, get("/items/7"), tools=api(f"{server.url}/v1/"))

    (request,) = server.requests
    assert (request.method, request.target) == ("GET", "/v1/items/7")
    assert request.headers["x-key"] == "the-declared-key"
    assert used.told == ['200 OK\ncontent-type: application/json\n\n{"id": 7}']
    assert used.outcome.outputs["response"] == "done"


def test_a_declared_header_goes_before_ours(workspace: Workspace):
    with WebServer() as server:
        use(workspace, get("/"), tools=api(server.url, headers={"user-agent": "the file's"}))

    assert server.requests[0].headers["user-agent"] == "the file's"


def test_a_query_is_escaped(workspace: Workspace):
    with WebServer() as server:
        use(workspace, get("search?page=2", query={"q": "a&b=c #d"}), tools=api(server.url))

    assert server.requests[0].target == "/search?page=2&q=a%26b%3Dc+%23d"


@pytest.mark.parametrize(
    ("body", "content", "kind"),
    [
        ({"a": "ü"}, '{"a": "ü"}', "application/json"),
        ([1], "[1]", "application/json"),
        ("plain", "plain", "text/plain; charset=utf-8"),
    ],
)
def test_a_body_is_sent_as_json_or_as_text(workspace: Workspace, body: Any, content: str, kind: str):
    with WebServer() as server:
        use(workspace, get("/items", method="POST", body=body), tools=api(server.url))

    (request,) = server.requests
    assert (request.method, request.content.decode(), request.headers["content-type"]) == ("POST", content, kind)


def test_a_declared_content_type_goes_before_ours(workspace: Workspace):
    declared = api("", headers={"content-type": "text/csv"})["http_executors"][0]
    with WebServer() as server:
        use(
            workspace,
            get("/", method="PUT", body="a,b"),
            tools={"http_executors": [{**declared, "base_url": server.url}]},
        )

    assert server.requests[0].headers["content-type"] == "text/csv"


def test_a_get_has_no_body(workspace: Workspace):
    with WebServer() as server:
        used = use(workspace, get("/", body="x"), tools=api(server.url))

    assert "a GET has no body" in used.told[0]
    assert server.connections == 0


def test_a_model_cannot_set_headers(workspace: Workspace):
    with WebServer() as server:
        used = use(workspace, get("/", headers={"Host": "evil.test"}), tools=api(server.url))

    assert "the arguments do not fit" in used.told[0]
    assert server.connections == 0


def test_a_server_error_is_an_answer_too(workspace: Workspace):
    with WebServer(Answer("no such item", status=404)) as server:
        used = use(workspace, get("/items/8"), tools=api(server.url))

    assert used.told == ["404 Not Found\ncontent-type: text/plain\n\nno such item"]


def test_uses_share_a_connection_and_none_is_left_open(workspace: Workspace):
    with WebServer() as server:
        use(workspace, get("/a"), tools=api(server.url))
        server.until(lambda: server.open == 0)

    assert server.connections == 1


def test_cookies_are_not_kept(workspace: Workspace):
    answers = [redirect("/second", headers={"set-cookie": "session=1"}), Answer("ok")]
    with WebServer(answers) as server:
        use(workspace, get("/first"), tools=api(f"http://localhost:{server.port}"))

    assert "cookie" not in server.requests[1].headers


# -- what is told -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(raw=b"\x89PNG", content_type="image/png"), "the answer is image/png, which is not text"),
        (Answer(raw=b"a\0b"), "the answer is binary, not text"),
        (Answer("x", headers={"content-encoding": "gzip"}), "the answer is compressed"),
    ],
)
def test_what_is_not_text_is_not_told(workspace: Workspace, answer: Answer, said: str):
    with WebServer(answer) as server:
        used = use(workspace, get("/"), tools=api(server.url))

    assert said in used.told[0]


def test_a_long_answer_is_cut(workspace: Workspace):
    with WebServer("x" * 30_000_000) as server:
        used = use(workspace, get("/"), tools=api(server.url))
        server.until(lambda: not server.requests[0].answered)  # nor was the rest of it read

    assert 60_000 < len(used.told[0]) < 60_100
    assert "[cut here: " in used.told[0]


def test_the_encoding_of_an_answer_is_kept_to(workspace: Workspace):
    with WebServer(Answer(raw="schön".encode("latin-1"), content_type="text/plain; charset=iso-8859-1")) as server:
        used = use(workspace, get("/"), tools=api(server.url))

    assert used.told[0].endswith("schön")


@pytest.mark.parametrize("charset", ["punycode", "idna", "utf-7", "rot13", "hex", "none-such"])
def test_an_encoding_that_is_none_is_not_used(workspace: Workspace, charset: str):
    with WebServer(Answer("+ADw-a-", content_type=f"text/plain; charset={charset}")) as server:
        used = use(workspace, get("/"), tools=api(server.url))

    assert used.told[0].endswith("+ADw-a-")


def test_a_server_that_is_too_slow_is_given_up(workspace: Workspace):
    with WebServer(Answer(delay=30)) as server:
        used = use(workspace, get("/"), tools=api(server.url, timeout_ms=100))

    assert used.told == ["Error: no result within 0.1 s"]


def test_a_use_ends_with_the_run(workspace: Workspace):
    with WebServer(Answer(delay=30)) as server:
        began = time.monotonic()
        used = use(workspace, get("/"), tools=api(server.url), runtime={"budgets": {"max_duration_s": 1}})
        server.until(lambda: server.open == 0)

    assert used.outcome.exit_code == 21
    assert time.monotonic() - began < 10


def test_a_server_that_breaks_off_is_told(workspace: Workspace):
    with WebServer(Answer(reset="before")) as server:
        used = use(workspace, get("/"), tools=api(server.url))

    assert used.told == ["Error: cannot ask 127.0.0.1: the connection was lost"]


# -- what is refused: the path ----------------------------------------------------------------------------------------

ESCAPES = [
    "http://169.254.169.254/latest/meta-data",
    "http://2852039166/",
    "http://[::ffff:169.254.169.254]/",
    "https://evil.test/",
    "//evil.test/",
    "///evil.test/",
    "\\\\evil.test\\",
    "/\\evil.test",
    "../admin",
    "/items/../../admin",
    "/%2e%2e/admin",
    "/%2E./admin",
    "/..%2fadmin",
    "/%252e%252e/admin",
    "/%" + "25" * 1000,
    "/..;/admin",
    "/%5c..%5cadmin",
    "/./admin",
    "/items\r\nHost: evil.test",
    "/items%0d%0aHost:%20evil.test",
    "/items\x00",
    "/items#fragment",
    "@evil.test/",
    ":80@evil.test/",
    ".evil.test/",
]


def test_no_path_leads_to_another_place(workspace: Workspace, internet: Internet):
    with WebServer("mine") as server, WebServer("foreign") as foreign:
        internet.place(foreign, "169.254.169.254")
        internet.name("evil.test", "127.0.0.1")
        paths = [*ESCAPES, f"{foreign.url}/", f"//127.0.0.1:{foreign.port}/", f"@127.0.0.1:{foreign.port}/"]
        used = use(workspace, *map(get, paths), tools=api(f"{server.url}/v1"))

    assert foreign.connections == 0
    assert internet.asked == []
    assert all(request.target.startswith("/v1/") for request in server.requests)
    refused = [one.startswith("Error: the path ") for one in used.told]
    assert refused == [not path.startswith(("@", ":", ".evil")) for path in paths]  # these are names of files


@settings(deadline=None)
@given(st.text(st.sampled_from("./\\%25e2fFcC;:#?@a \r\n\x00é"), max_size=14))
def test_a_path_that_is_let_through_stays_below(path: str):
    from runner.agents.tools.bench import Bench
    from runner.agents.tools.executor import Executor

    bench = Bench(Path(), (), lambda: datetime.now(UTC))
    executor = Executor(HttpTool("api", "https://api.test:8443/v1/deep"), bench)
    try:
        url = executor._url(path, {})
    except ToolProblem:
        return
    assert str(url).startswith(("https://api.test:8443/v1/deep/", "https://api.test:8443/v1/deep?"))
    check_path(url.raw_path.removeprefix("/"))


# -- what is refused: where it leads ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "base_url",
    [
        "http://169.254.169.254",
        "http://2852039166",
        "http://0xa9.0xfe.0xa9.0xfe",
        "http://0251.0376.0251.0376",
        "http://169.254.43518",
        "http://169.254.169.254.",
        "http://[::ffff:169.254.169.254]",
        "http://[64:ff9b::a9fe:a9fe]",
        "http://[fd00:ec2::254]",
        "http://[::1]",
        "http://127.1",
        "http://0",
    ],
)
def test_an_address_inside_is_refused_before_the_first_token(workspace: Workspace, internet: Internet, base_url: str):
    used = use(workspace, get("/latest/meta-data"), tools=api(base_url, allow_private=False))

    assert used.outcome.exit_code == 2
    assert "tool 'api', base_url: " in used.outcome.log
    assert "is not asked" in used.outcome.log
    assert (used.told, internet.reached) == ([], [])


@pytest.mark.parametrize("host", ["localhost", "private.test", "metadata.test"])
def test_a_name_of_something_inside_is_not_reached(workspace: Workspace, internet: Internet, host: str):
    internet.name("private.test", "10.0.0.7")
    internet.name("metadata.test", f"{PUBLIC} 169.254.169.254")
    with WebServer() as inside:
        for address in ("169.254.169.254", "10.0.0.7", PUBLIC):
            internet.place(inside, address)
        used = use(workspace, get("/"), tools=api(f"http://{host}:{inside.port}", allow_private=False))

    assert "is not asked" in used.told[0]
    assert inside.connections == 0


@pytest.mark.parametrize("address", ["169.254.169.254", "168.63.129.16", "100.100.100.200", "0.0.0.0"])
def test_allow_private_does_not_admit_what_hands_out_credentials(
    workspace: Workspace, internet: Internet, address: str
):
    internet.name("metadata.test", address)
    with WebServer() as inside:
        internet.place(inside, address)
        used = use(workspace, get("/"), tools=api("http://metadata.test"))

    assert "is not asked" in used.told[0]
    assert inside.connections == 0


def test_a_redirect_to_another_origin_is_told_and_not_followed(workspace: Workspace):
    with WebServer() as foreign:
        with WebServer(redirect(f"{foreign.url}/steal")) as server:
            used = use(workspace, get("/"), tools=api(server.url))

        assert used.told == [f"302 Found\ncontent-type: text/plain\nredirects to {foreign.url}/steal, not followed"]
        assert foreign.connections == 0


@pytest.mark.parametrize(
    "location",
    ["https://127.0.0.1/", "//169.254.169.254/", "http://me:pw@127.0.0.1:{port}/v1/x", "/admin", "../admin",
     "/v1/%2e%2e/admin", "/v1/..%2fadmin", "ftp://127.0.0.1/v1/"],
)  # fmt: skip
def test_a_redirect_out_of_the_base_url_is_not_followed(workspace: Workspace, location: str):
    with WebServer(lambda _: redirect(location.format(port=server.port))) as server:
        used = use(workspace, get("/items"), tools=api(f"{server.url}/v1"))

    assert "not followed" in used.told[0]
    assert [request.target for request in server.requests] == ["/v1/items"]


def test_a_redirect_below_the_base_url_is_followed(workspace: Workspace):
    with WebServer([redirect("/v1/items/"), redirect("last", 307), Answer("here")]) as server:
        used = use(workspace, get("/items"), tools=api(f"{server.url}/v1"))

    assert [request.target for request in server.requests] == ["/v1/items", "/v1/items/", "/v1/items/last"]
    assert {request.headers["x-key"] for request in server.requests} == {"the-declared-key"}
    assert used.told[0].endswith("here")


def test_redirects_without_end_are_given_up(workspace: Workspace):
    with WebServer(redirect("/again")) as server:
        used = use(workspace, get("/"), tools=api(server.url))

    assert used.told == ["Error: more than 5 redirects"]
    assert len(server.requests) == 6


def test_what_was_sent_is_not_sent_again_by_a_redirect(workspace: Workspace):
    with WebServer(redirect("/elsewhere", 307)) as server:
        used = use(workspace, get("/items", method="POST", body={"a": 1}), tools=api(server.url))

    assert len(server.requests) == 1
    assert "not followed" in used.told[0]


def test_a_file_that_denies_the_network_has_no_executors(workspace: Workspace):
    used = use(workspace, tools=api("https://api.test"), security={"guardrails": {"deny_network": True}})

    assert used.outcome.exit_code == 3
    assert "tool 'api' may use the network, which guardrails.deny_network forbids" in used.outcome.log


# -- TLS and proxies --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "trusted"), [("api.test", True), ("other.test", False)])
def test_the_certificate_is_checked_for_the_name_although_the_address_is_pinned(
    workspace: Workspace, internet: Internet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, trusted: bool
):
    internet.name("api.test", PUBLIC)
    with WebServer("from the api", certified(name, tmp_path)) as server:
        internet.place(server)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        used = use(workspace, get("/"), tools=api("https://api.test", allow_private=False))

    assert internet.visited() == [(PUBLIC, 443)]
    assert ("from the api" in used.told[0]) == trusted
    assert ("its certificate is not valid" in used.told[0]) != trusted


def test_a_name_is_checked_here_before_a_proxy_is_asked(workspace: Workspace, internet: Internet):
    internet.name("api.test", PUBLIC)
    internet.name("inside.test", "10.0.0.7")
    with WebServer("by proxy") as proxy:
        workspace.environ["HTTP_PROXY"] = proxy.url
        asked = use(workspace, get("/a"), tools=api("http://api.test", allow_private=False))
        refused = use(workspace, get("/a"), tools=api("http://inside.test", allow_private=False))

    assert [request.target for request in proxy.requests] == ["http://api.test/a"]
    assert asked.told[0].endswith("by proxy")
    assert "10.0.0.7 is a private address" in refused.told[0]


def test_a_proxy_that_is_spoken_to_by_tls_leads_to_plain_places_too(
    workspace: Workspace, internet: Internet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    internet.name("api.test", PUBLIC)
    with WebServer("by proxy", certified("localhost", tmp_path)) as proxy:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        workspace.environ["HTTP_PROXY"] = f"https://localhost:{proxy.port}"
        used = use(workspace, get("/a"), tools=api("http://api.test", allow_private=False))

    assert used.told[0].endswith("by proxy")


# -- secrets ----------------------------------------------------------------------------------------------------------


def bearer(base_url: str, template: str = "Bearer {{ secrets.TOKEN }}") -> dict[str, Any]:
    return api(base_url, headers={"Authorization": template})


def everything(used: Used) -> str:
    files = [path.read_text(errors="replace") for path in used.outcome.root.rglob("*") if path.is_file()]
    return "\n".join([*used.told, json.dumps(used.tools), used.outcome.log, used.outcome.stdout, *files])


def test_a_secret_reaches_its_origin_and_nobody_else(workspace: Workspace, secrets: dict[str, str]):
    with WebServer() as foreign:
        answers = [redirect(f"{foreign.url}/steal"), Answer(json.dumps({"you": f"Bearer {TOKEN}"}))]
        with WebServer(answers) as server:
            used = use(workspace, get("/a"), get("/b"), get(f"{foreign.url}/"), tools=bearer(server.url), env=DECLARED)

        assert {request.headers["authorization"] for request in server.requests} == {f"Bearer {TOKEN}"}
        assert foreign.connections == 0
    assert TOKEN not in everything(used)
    assert any('{"you": "Bearer ***"}' in one for one in used.told)


def test_an_unknown_secret_is_told_before_the_first_token(workspace: Workspace, secrets: dict[str, str]):
    with WebServer() as server:
        used = use(
            workspace,
            get("/"),
            tools=bearer(server.url, "{{ secrets.TOKEN }} {{ secrets.TOKNE }}"),
            env=DECLARED,
        )

    assert used.outcome.exit_code == 3
    assert "secret 'TOKNE' is not declared under env.secrets; did you mean 'TOKEN'?" in used.outcome.log
    assert (used.told, server.connections) == ([], 0)
    assert TOKEN not in everything(used)


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\0b", f"{TOKEN}\n"])
def test_a_secret_with_a_line_break_is_no_header(workspace: Workspace, secrets: dict[str, str], value: str):
    secrets["TOKEN"] = value
    with WebServer() as server:
        used = use(workspace, get("/"), tools=bearer(server.url), env=DECLARED)

    assert used.outcome.exit_code == 2
    assert "tool 'api', header 'Authorization': what the template gives has a line break" in used.outcome.log
    assert TOKEN not in everything(used)


def test_what_a_template_stumbles_over_is_not_repeated(workspace: Workspace, secrets: dict[str, str]):
    used = use(workspace, get("/"), tools=bearer("https://api.test", "{{ secrets[secrets.TOKEN] }}"), env=DECLARED)

    assert "tool 'api', header 'Authorization': the template cannot be rendered" in used.outcome.log
    assert TOKEN not in everything(used)


# -- what a model is told of a tool -----------------------------------------------------------------------------------


def test_the_description_is_made_of_everything_the_file_says(workspace: Workspace):
    said = {
        "id": "my.api:v1",
        "description": "The tracker.",
        "common_endpoints": [{"path": "/items", "description": "all items", "method": "POST"},
                             {"path": "/items/1", "description": "one of them"}],
        "examples": ["Look item 7 up.", {"path": "/items/7"}],
        "response_format": "JSON",
        "authentication_info": "done for you",
    }  # fmt: skip
    used = use(workspace, tools=api("https://api.test/v1", **said))

    (tool,) = used.tools
    assert tool["name"] == "my_api_v1"
    assert tool["description"].splitlines() == [
        "The tracker.",
        "Base URL: https://api.test/v1",
        "Endpoints:",
        "- POST /items: all items",
        "- GET /items/1: one of them",
        "Examples:",
        "- Look item 7 up.",
        '- {"path": "/items/7"}',
        "Answers: JSON",
        "Authentication: done for you",
    ]
    assert tool["parameters"]["properties"]["method"]["enum"] == ["GET", "POST"]


@pytest.mark.parametrize(
    ("endpoints", "offered", "required"),
    [
        ((), ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"], ["path"]),
        ((("/a", "a", None),), ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"], ["path"]),
        ((("/a", "a", "POST"), ("/b", "b", "PUT")), ["POST", "PUT"], ["method", "path"]),
        ((("/a", "a", "POST"), ("/b", "b", None)), ["GET", "POST"], ["path"]),
    ],
)
def test_the_methods_are_those_of_the_endpoints_where_any_is_named(
    endpoints: Any, offered: list[str], required: list[str]
):
    schema = parameters(HttpTool("api", "https://api.test", endpoints=endpoints))
    assert (schema["properties"]["method"]["enum"], schema["required"]) == (offered, required)


def test_a_method_that_is_not_offered_is_refused(workspace: Workspace):
    endpoints = [{"path": "/", "description": "read", "method": "GET"}]
    with WebServer() as server:
        used = use(workspace, get("/", method="DELETE"), tools=api(server.url, common_endpoints=endpoints))

    assert "the arguments do not fit: $.method" in used.told[0]
    assert server.connections == 0


def test_headers_are_nothing_a_model_is_told():
    assert "sesame" not in described(HttpTool("api", "https://api.test", headers={"X-Key": "sesame"}))
