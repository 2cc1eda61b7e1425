"""The scripted model server of the tests as a process of its own, so that it shares no interpreter lock with what is
measured. Prints its address; when stdin ends, prints what it counted."""

from __future__ import annotations

import json
import sys

from tests.servers import Answer, OpenAIServer

if __name__ == "__main__":
    delay = float(sys.argv[1])
    with OpenAIServer(reply=lambda _: Answer("ok", delay=delay)) as server:
        print(server.url, flush=True)
        sys.stdin.read()
        counts = {"requests": len(server.requests), "connections": server.connections, "most": server.max_in_flight}
        print(json.dumps(counts), flush=True)
