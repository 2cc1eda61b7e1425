"""Runs inside the image, where nothing of the tests is: imports all that a run can reach, fetches credentials of AWS in
every way from a server of its own, and prints as JSON what is missing."""

import ctypes
import importlib
import importlib.metadata
import json
import os
import pkgutil
import sys
import sysconfig
import tempfile
import threading
from datetime import UTC, datetime, timedelta
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

SCRIPTS = {"llama_server", "confine", "matcher", "verifier"}  # processes of their own, not modules
OUTSIDE = {"anthropic", "gemini", "local", "plugin", "fixture"}  # need what this image has not
REACHED = [
    *("strands", "strands.models.bedrock", "strands.models.ollama", "strands.tools.mcp", "strands.multiagent"),
    *("mcp.client.stdio", "mcp.client.streamable_http", "mcp.client.auth", "mcp.client.sse"),
    *("opentelemetry.sdk.trace.export", "opentelemetry.exporter.otlp.proto.http.trace_exporter"),
    *("aiohttp", "httpx", "jwt", "cryptography.hazmat.primitives.asymmetric.ec", "sqlite3", "multiprocessing"),
]

UNCHECKED = bytes([1, 0, 0, 0])
"""The flags of bytecode that is not held against its source: PEP 552."""


def imported() -> list[str]:
    """What does not import, of ours and of all that it reaches."""
    import runner

    names = [found.name for found in pkgutil.walk_packages(runner.__path__, "runner.")]
    ours = [name for name in names if name.rpartition(".")[2] not in SCRIPTS | OUTSIDE]
    failed = []
    for name in [*ours, *REACHED]:
        try:
            importlib.import_module(name)
        except ImportError as error:
            failed.append(f"{name}: {error}")
    return failed


def unloadable() -> list[str]:
    """Compiled libraries that the system does not load; something has been cut off them."""
    failed = []
    for library in Path(sysconfig.get_path("platlib")).rglob("*.so"):
        try:
            ctypes.CDLL(str(library))
        except OSError as error:
            failed.append(str(error))
    return failed


def without_bytecode() -> list[str]:
    """What was compiled for this process, or is held against its source at every start."""
    sources = [getattr(module, "__file__", None) or "" for name, module in sys.modules.items() if name != "__main__"]
    return [source for source in sources if source.endswith(".py") and not is_taken_as_it_is(source)]


def is_taken_as_it_is(source: str) -> bool:
    compiled = Path(importlib.util.cache_from_source(source))
    return compiled.exists() and compiled.read_bytes()[4:8] == UNCHECKED


def without_licence() -> list[str]:
    """Packages whose licence came with them, by their metadata, and is not there."""
    return [
        f"{found.name}: {name}"
        for found in importlib.metadata.distributions()
        for name in found.metadata.get_all("License-File") or ()
        if not any(found.locate_file(f"{found._path.name}/{place}{name}").exists() for place in ("licenses/", ""))
    ]


class Answers(BaseHTTPRequestHandler):
    """Every place that credentials are fetched from, at one address."""

    later = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def do_GET(self) -> None:
        if self.path.startswith("/federation/credentials"):
            self.say(json.dumps({"roleCredentials": {**keys("sso"), "expiration": 4102444800000}}))
        elif self.path.endswith("/security-credentials/"):
            self.say("role")
        else:
            kind = "container" if self.path == "/container" else "instance"
            self.say(
                json.dumps(
                    {
                        "Code": "Success",
                        "AccessKeyId": kind,
                        "SecretAccessKey": "s",
                        "Token": "t",
                        "Expiration": self.later,
                    }
                )
            )

    def do_PUT(self) -> None:
        self.say("token")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode(errors="replace")
        if self.path == "/v1/traces":
            self.say("")
            return
        if self.path == "/token":
            self.say(json.dumps({"accessToken": "new", "expiresIn": 3600, "tokenType": "Bearer"}))
            return
        action = body.partition("Action=")[2].partition("&")[0]
        inner = "".join(
            f"<{name}>{value}</{name}>"
            for name, value in {
                "AccessKeyId": action,
                "SecretAccessKey": "s",
                "SessionToken": "t",
                "Expiration": self.later,
            }.items()
        )
        self.say(
            f"<{action}Response><{action}Result><Credentials>{inner}</Credentials></{action}Result></{action}Response>"
        )

    def say(self, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.send_header("X-aws-ec2-metadata-token-ttl-seconds", "60")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        pass


def services() -> list[str]:
    """The services of AWS that are described; of each a client can be made."""
    import boto3

    found = boto3.Session().get_available_services()
    for name in found:
        boto3.client(name).close()
    return found


def exported(url: str) -> str:
    """What becomes of a span on its way to a collector."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    provider = TracerProvider()
    exporter = OTLPSpanExporter(endpoint=f"{url}/v1/traces")
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("t").start_as_current_span("a span") as span:
        pass
    return exporter.export([span]).name


def keys(name: str) -> dict[str, str]:
    return {"accessKeyId": name, "secretAccessKey": "s", "sessionToken": "t"}


def credentials(home: Path, url: str) -> dict[str, str]:
    """The key that each way to credentials leads to, or what went wrong."""
    import boto3

    (home / "web").write_text("a token")
    start, cache = "https://start.example", home / ".aws/sso/cache"
    cache.mkdir(parents=True)
    token = {
        "startUrl": start,
        "region": "us-east-1",
        "accessToken": "old",
        "expiresAt": "2020-01-01T00:00:00Z",
        "refreshToken": "r",
    }
    token |= {"clientId": "c", "clientSecret": "s", "registrationExpiresAt": "2100-01-01T00:00:00Z"}
    (cache / f"{sha1(b'session').hexdigest()}.json").write_text(json.dumps(token))
    (home / ".aws/config").write_text(
        "[profile sso]\nsso_session=session\nsso_account_id=1\nsso_role_name=r\n"
        f"[sso-session session]\nsso_start_url={start}\nsso_region=us-east-1\n"
        "[profile role]\nrole_arn=arn:aws:iam::1:role/r\ncredential_source=Environment\n"
    )
    role = {"AWS_ROLE_ARN": "arn:aws:iam::1:role/r", "AWS_WEB_IDENTITY_TOKEN_FILE": str(home / "web")}
    own = {"AWS_ACCESS_KEY_ID": "own", "AWS_SECRET_ACCESS_KEY": "s"}
    ways = {
        "AssumeRoleWithWebIdentity": role,
        "AssumeRole": {**own, "AWS_PROFILE": "role"},
        "sso": {"AWS_PROFILE": "sso"},
        "container": {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{url}/container"},
        "instance": {"AWS_EC2_METADATA_SERVICE_ENDPOINT": url},
    }
    found = {}
    for name, environ in ways.items():
        os.environ.update(environ)
        try:
            profile = environ.get("AWS_PROFILE")
            found[name] = boto3.Session(profile_name=profile).get_credentials().get_frozen_credentials().access_key
        except Exception as error:
            found[name] = repr(error)
        for key in environ:
            del os.environ[key]
    return found


def main() -> None:
    """Everything, with a home directory that is empty: botocore remembers at its import where it is."""
    server = HTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    with tempfile.TemporaryDirectory() as home:
        os.environ.update({"HOME": home, "AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": url})
        failed = imported()
        found = credentials(Path(home), url)
        told = {
            "failed": [*failed, *unloadable()],
            "credentials": found,
            "services": services(),
            "exported": exported(url),
            "bytecode": without_bytecode(),
            "licences": without_licence(),
        }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
