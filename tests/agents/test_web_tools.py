"""`http_request` and `web_fetch` in whole runs: what is public can be read, by GET and HEAD, and nothing else."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from runner.agents.tools.readable import readable
from tests.agents.toolwork import use
from tests.servers import Answer, Internet, WebServer
from tests.servers.internet import PUBLIC
from tests.servers.web import redirect
from tests.workspace import Workspace

BOTH = {"python": ["http_request", "web_fetch"]}
HOME = "http://public.test/"


@pytest.fixture(params=["http_request", "web_fetch"])
def tool(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def _a_public_name(internet: Internet) -> None:
    internet.name("public.test", PUBLIC)


# -- reading ----------------------------------------------------------------------------------------------------------


def test_a_public_page_is_read(workspace: Workspace, internet: Internet, tool: str):
    with WebServer("hello") as server:
        internet.place(server)
        used = use(workspace, (tool, {"url": f"{HOME}a?b=c#d"}), tools=BOTH)

    assert used.told == ["200 OK\ncontent-type: text/plain\n\nhello"]
    assert server.requests[0].target == "/a?b=c"
    assert server.requests[0].headers["host"] == "public.test"
    assert internet.visited() == [(PUBLIC, 80)]


def test_a_head_tells_type_and_length(workspace: Workspace, internet: Internet):
    with WebServer(Answer("", headers={"x": "y"}, content_type="image/png")) as server:
        internet.place(server)
        used = use(workspace, ("http_request", {"url": HOME, "method": "HEAD"}), tools=BOTH)

    assert server.requests[0].method == "HEAD"
    assert used.told == ["200 OK\ncontent-type: image/png\ncontent-length: 0"]


def test_accept_is_the_models_and_the_only_header_that_is(workspace: Workspace, internet: Internet):
    with WebServer() as server:
        internet.place(server)
        use(workspace, ("http_request", {"url": HOME, "accept": "application/json"}), tools=BOTH)

    assert server.requests[0].headers == {
        "host": "public.test",
        "user-agent": "strands-action",
        "accept-encoding": "identity",
        "accept": "application/json",
    }


@pytest.mark.parametrize(
    "given",
    [
        {"accept": "a\r\nX-Evil: 1"},
        {"accept": ""},
        {"accept": "text/html\n"},
        {"method": "POST"},
    ],
)
def test_what_is_not_offered_is_refused(workspace: Workspace, internet: Internet, given: dict[str, Any]):
    used = use(workspace, ("http_request", {"url": HOME, **given}), tools=BOTH)

    assert used.told[0].startswith(("Error: the arguments do not fit", "Error: 'accept' is a list"))
    assert internet.visited() == []


def test_the_two_tools_and_the_run_close_what_they_opened(workspace: Workspace, internet: Internet):
    with WebServer() as server:
        internet.place(server)
        use(workspace, ("http_request", {"url": HOME}), ("web_fetch", {"url": HOME}), tools=BOTH)
        server.until(lambda: server.open == 0)

    assert len(server.requests) == 2


# -- what is refused --------------------------------------------------------------------------------------------------

INSIDE = [
    "http://169.254.169.254/latest/meta-data/",
    "http://2852039166/",
    "http://0xA9FEA9FE/",
    "http://0251.0376.0251.0376/",
    "http://169.254.43518/",
    "http://169.254.169.254./",
    "http://\uff11\uff16\uff19.254.169.254/",
    "http://[::ffff:169.254.169.254]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://[::a9fe:a9fe]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[2002:a9fe:a9fe::]/",
    "http://[fd00:ec2::254]/",
    "http://168.63.129.16/metadata",
    "http://localhost/",
    "http://127.1/",
    "http://[::1]/",
    "http://0/",
    "http://private.test/",
    "http://me:password@public.test/",
    "http://public.test:8080/",
    "file:///etc/passwd",
    "gopher://public.test/",
]
LOCATIONS = [one.encode().decode("latin-1") for one in INSIDE]  # as bytes of UTF-8 in a header


def test_nothing_inside_is_reached(workspace: Workspace, internet: Internet, tool: str):
    internet.name("private.test", "192.168.1.1")
    with WebServer("credentials") as inside:
        for address in ("169.254.169.254", "168.63.129.16", "192.168.1.1", PUBLIC):
            internet.place(inside, address)
        used = use(workspace, *((tool, {"url": url}) for url in INSIDE), tools=BOTH)

    assert [one for one in used.told if not one.startswith("Error: ")] == []
    assert inside.connections == 0
    assert used.outcome.outputs["response"] == "done"


def test_no_redirect_leads_inside(workspace: Workspace, internet: Internet, tool: str):
    internet.name("private.test", "192.168.1.1")
    with WebServer() as inside:
        for address in ("169.254.169.254", "168.63.129.16", "192.168.1.1"):
            internet.place(inside, address)
        with WebServer(lambda request: redirect(LOCATIONS[int(request.target[1:])])) as server:
            internet.place(server)
            calls = [(tool, {"url": f"{HOME}{number}"}) for number in range(len(INSIDE))]
            used = use(workspace, *calls, tools=BOTH)

    assert [one for one in used.told if not one.startswith("Error: ")] == []
    assert len(server.requests) == len(INSIDE)
    assert inside.connections == 0


def test_a_redirect_to_another_public_place_is_followed(workspace: Workspace, internet: Internet, tool: str):
    internet.name("other.test", "1.1.1.1")
    with WebServer("there") as other, WebServer(redirect("http://other.test/x#y")) as server:
        internet.place(other, "1.1.1.1")
        internet.place(server)
        used = use(workspace, (tool, {"url": HOME}), tools=BOTH)

    assert used.told[0].endswith("there")
    assert other.requests[0].target == "/x"


def test_redirects_in_a_circle_end(workspace: Workspace, internet: Internet, tool: str):
    with WebServer(redirect("/again")) as server:
        internet.place(server)
        used = use(workspace, (tool, {"url": HOME}), tools=BOTH)

    assert used.told == ["Error: more than 5 redirects"]
    assert len(server.requests) == 6


def test_a_name_is_checked_here_before_a_proxy_is_asked(workspace: Workspace, internet: Internet, tool: str):
    internet.name("private.test", "10.0.0.7")
    with WebServer([redirect("http://private.test/"), Answer("by proxy")]) as proxy:
        workspace.environ["http_proxy"] = proxy.url
        used = use(workspace, (tool, {"url": HOME}), (tool, {"url": "http://private.test/"}), tools=BOTH)

    assert [request.target for request in proxy.requests] == [HOME]
    assert all("10.0.0.7 is a private address" in one for one in used.told)


def test_a_proxy_that_fails_is_told_without_its_password(workspace: Workspace, internet: Internet, tool: str):
    workspace.environ["http_proxy"] = "http://user:open-sesame@127.0.0.1:1"
    used = use(workspace, (tool, {"url": HOME}), tools=BOTH)

    assert used.told == ["Error: cannot ask public.test: the proxy of the environment does not let it through"]


# -- pages as text ----------------------------------------------------------------------------------------------------

PAGE = """<!doctype html><html><head><title>A &amp; B</title><style>p { color: red }</style>
<script>if (a < b) document.write("<p>no</p>")</script></head><body><!-- no <p>no</p> -->
<h2>Head&shy;ing</h2><p>Some   <b>bold</b>
text, <a title="a > b" href="/next?a=1&amp;b=2">a link</a>.</p><p hidden>no</p>
<div style="display: none">no <div>no</div> no</div><span aria-hidden=true>no</span><template><p>no</template>
<ul><li>one<li>two</ul><pre>x  =  1
y</pre><a href="javascript:alert(1)">not a link</a> 1 < 2 <img alt=no hidden><br>end <SCRIPT>no</script >of it</body>"""


def test_a_page_is_told_as_text(workspace: Workspace, internet: Internet):
    with WebServer(Answer(PAGE, content_type="text/html; charset=utf-8")) as server:
        internet.place(server)
        used = use(workspace, ("web_fetch", {"url": f"{HOME}here"}), tools=BOTH)

    assert used.told == ["200 OK\ncontent-type: text/html; charset=utf-8\n\n" + TEXT]


TEXT = """\
A & B

Heading

Some bold text, a link (http://public.test/next?a=1&b=2).

- one
- two

x  =  1
y
not a link 1 < 2
end of it"""


def test_a_page_is_told_as_markdown():
    found = readable(PAGE, HOME, markdown=True)

    assert "## Heading\n\nSome bold text, [a link](http://public.test/next?a=1&b=2)." in found
    assert "```\nx  =  1\ny\n```" in found


def test_a_page_is_told_as_it_is(workspace: Workspace, internet: Internet):
    with WebServer(Answer(PAGE, content_type="text/html")) as server:
        internet.place(server)
        used = use(workspace, ("web_fetch", {"url": HOME, "format": "html"}), tools=BOTH)

    assert used.told[0].endswith(PAGE)


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("", ""),
        ("a <", "a <"),
        ("a <b", "a"),
        ("a <!-- b", "a"),
        ("a <script> b", "a"),
        ("a <p hidden> b", "a"),
        ("a </p> b", "a\n\nb"),
        ("</a></a><a href=//x.test>b", "b"),
        ('<a href="x">b <a href="y">c</a></a>', "b c (http://public.test/y)"),
        ("<a href='http://['>b</a>", "b"),
        ("&#" + "9" * 5000 + ";a", "\ufffda"),
        ("<pre><pre>a  b</pre>  c</pre>  d", "a  b\n  c\nd"),
        ("<İ><p>İ<script>x</script>y", "<İ>\n\nİy"),
        ("<p onclick='a>b' hidden>no</p>yes", "yes"),
    ],
)
def test_what_is_not_well_formed_is_read_as_far_as_it_goes(page: str, text: str):
    assert readable(page, HOME) == text


@pytest.mark.parametrize(
    "unit",
    [
        *("<a", "<!--", "</", "<?", "<!", "<![CDATA[", "<script", "<script>", "<a b=", "<a  =", "<a b='", "<a b='>"),
        *('<a href="x" y=\'>', "'>\"<a ", "<a href=x>", "</a>", "<p hidden>", "<pre>", "<b> ", "<b>\n", "<br> "),
        *("&", "&#", " ", "\n ", "a<"),
    ],
)
def test_no_page_takes_long_to_read(unit: str):
    page, before = unit * (300_000 // len(unit)), time.thread_time()
    readable(page, HOME, markdown=True)

    assert time.thread_time() - before < 5  # the standard library's parser takes minutes for some of these


def test_other_steps_go_on_while_a_page_is_read(
    workspace: Workspace, internet: Internet, monkeypatch: pytest.MonkeyPatch
):
    where: list[threading.Thread] = []

    def read(*_: Any, **__: Any) -> str:
        where.append(threading.current_thread())
        return "read"

    monkeypatch.setattr("runner.agents.tools.web.readable", read)
    with WebServer(Answer(PAGE, content_type="text/html")) as server:
        internet.place(server)
        use(workspace, ("web_fetch", {"url": HOME}), tools=BOTH)

    assert where != [threading.main_thread()]
