"""A small MCP server, started as a process: `python mcp_server.py [MODE]`. Over stdio, or with `http` over HTTP.

Written by hand against the protocol: it starts in the time of an interpreter, and can misbehave. Not imported by the
package of servers, of which it is no part: nothing here is scripted by a test.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]

TOOLS = {
    "add": {"a": {"type": "integer"}, "b": {"type": "integer"}},
    "pid": {},
    "env": {},
    "cwd": {},
    "child": {},
    "shout": {},
    "crash": {},
    "much": {},
    "picture": {},
    "slow": {"seconds": {"type": "number"}},
    "python": {"code": {"type": "string"}},
    "dotted.name with spaces": {},
    "calculator": {},
}


def answer(message: Json) -> Json | None:
    """The answer to one message; None to a notification."""
    if "id" not in message:
        return None
    match message["method"]:
        case "initialize":
            version = message["params"]["protocolVersion"]
            info = {"name": "small", "version": "1"}
            return result(message, {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info})
        case "tools/list":
            listed = {"tools": [described(name) for name in TOOLS]}
            return result(message, listed | ({"nextCursor": "more"} if "endless" in sys.argv else {}))
        case "tools/call":
            content = use(message["params"]["name"], message["params"].get("arguments") or {})
            return result(message, {"content": content, "isError": False})
    return {"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32601, "message": "no such method"}}


def result(message: Json, found: Json) -> Json:
    return {"jsonrpc": "2.0", "id": message["id"], "result": found}


def described(name: str) -> Json:
    schema = {"type": "object", "properties": TOOLS[name], "required": list(TOOLS[name])}
    return {"name": name, "description": f"The tool {name}.", "inputSchema": schema}


def use(name: str, given: Json) -> list[Json]:
    match name:
        case "add":
            return text(given["a"] + given["b"])
        case "pid":
            return text(os.readlink("/proc/self"))  # by which the test knows it, in whatever namespace it is
        case "env":
            return text(json.dumps(dict(os.environ)))
        case "cwd":
            return text(os.getcwd())
        case "child":
            # One that ends neither with its parent nor when it is asked to.
            trap = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
            told = "import os; print(os.readlink('/proc/self'), flush=True)"
            command = [sys.executable, "-c", f"{trap} {told}; time.sleep(60)"]
            started = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            assert started.stdout is not None
            return text(started.stdout.readline())
        case "shout":
            print("::error::from the server", file=sys.stderr, flush=True)
        case "crash":
            print("about to fall", os.environ.get("TOKEN", ""), file=sys.stderr, flush=True)
            os._exit(7)
        case "much":
            return text("\u202e" + "x" * 70_000)
        case "picture":
            return [{"type": "image", "data": "AAAA", "mimeType": "image/png"}]
        case "python":
            with contextlib.redirect_stdout(io.StringIO()) as said:
                exec(given["code"], {})
            return text(said.getvalue())
        case "slow":
            time.sleep(given["seconds"])
    return text("done")


def text(value: object) -> list[Json]:
    return [{"type": "text", "text": str(value)}]


def over_stdio() -> None:
    """Answer lines, each in a thread of its own, until there are no more."""

    def reply(message: Json) -> None:
        if (found := answer(message)) is not None:
            sys.stdout.write(json.dumps(found) + "\n")
            sys.stdout.flush()

    for line in sys.stdin:
        threading.Thread(target=reply, args=[json.loads(line)], daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    """MCP over HTTP, without sessions and streams. Asks for the header `X-Key: k3y-of-http`; `/moved` redirects."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.startswith("/moved/"):
            return self.send(307, location=f"http://localhost:{self.path.rpartition('/')[2]}/mcp")
        if self.headers["X-Key"] != "k3y-of-http":
            return self.send(401)
        found = answer(body)
        return self.send(200 if found else 202, json.dumps(found).encode() if found else b"")

    def do_GET(self) -> None:
        self.send(405)

    def do_DELETE(self) -> None:
        self.send(405)

    def send(self, status: int, body: bytes = b"", location: str | None = None) -> None:
        self.send_response(status)
        if location is not None:
            self.send_header("Location", location)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def over_http() -> None:
    """Print the port and answer until stdin ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


def main(mode: str) -> None:
    match mode:
        case "http":
            over_http()
        case "silent":
            print("thinking", file=sys.stderr, flush=True)
            time.sleep(60)
        case "exits":
            print("no config", os.environ.get("TOKEN", ""), file=sys.stderr, flush=True)
            sys.exit(3)
        case "garbage":
            print("Welcome!", flush=True)
            time.sleep(60)
        case "flood":
            while True:
                print("Welcome!")
        case "polite":
            print("Welcome!\n\nI am glad to be of use.", flush=True)
            over_stdio()
        case "stubborn":
            import signal

            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            over_stdio()
            time.sleep(60)
        case _:
            over_stdio()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
