"""The run's one HTTP transport: proxies of the environment, nobody's .netrc, connections given back."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from runner.agents.providers.http import proxy_for
from tests.servers import OpenAIServer
from tests.workspace import Workspace, chain, workflow


@pytest.mark.parametrize(
    ("url", "environ", "proxy"),
    [
        ("https://api.example.com/v1", {"HTTPS_PROXY": "http://p:1"}, "http://p:1"),
        ("https://api.example.com/v1", {"https_proxy": "p:1"}, "http://p:1"),
        ("https://api.example.com/v1", {"HTTP_PROXY": "http://p:1"}, ""),
        ("http://api.example.com/v1", {"ALL_PROXY": "http://p:1"}, "http://p:1"),
        ("https://api.example.com/v1", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "example.com"}, None),
        ("https://api.example.org/v1", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "example.com"}, "http://p:1"),
        ("http://127.0.0.1:9/v1", {"http_proxy": "http://p:1"}, None),
        ("http://model:9/v1", {"http_proxy": "http://p:1", "no_proxy": "*"}, None),
    ],
)
def test_the_proxy_of_a_place(url: str, environ: dict[str, str], proxy: str | None):
    assert (proxy_for(httpx.URL(url), environ) or None) == (proxy or None)


def test_calls_go_through_the_proxy_of_the_environment(workspace: Workspace):
    with OpenAIServer() as proxy:
        workspace.environ["HTTP_PROXY"] = proxy.url.removesuffix("/v1")
        workspace.run(workflow("http://model.invalid/v1", chain("go"), runtime={"failure_policy": {"retries": 0}}))

    assert [request.path for request in proxy.requests] == ["http://model.invalid/v1/chat/completions"]


def test_a_planted_netrc_changes_nothing(workspace: Workspace, monkeypatch: pytest.MonkeyPatch):
    planted = Path(workspace.root / ".netrc")
    planted.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(planted))
    workspace.environ["OPENAI_API_KEY"] = "our-own-key"
    with OpenAIServer() as server:
        outcome = workspace.run(workflow(server.url, chain("go")))

    assert outcome.exit_code == 0
    assert server.requests[0].headers["authorization"] == "Bearer our-own-key"
