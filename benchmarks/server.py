"""The scripted model server of the tests as a process of its own, so that it shares no interpreter lock with what is
measured. Prints its address; when stdin ends, prints what it counted. With a width it refuses whom it has no room for.
"""

from __future__ import annotations

import json
import sys

from tests.servers import Answer, NarrowServer, OpenAIServer

if __name__ == "__main__":
    delay, *width = sys.argv[1:]
    served = Answer("ok", delay=float(delay))
    with NarrowServer(int(width[0]), served) if width else OpenAIServer(lambda _: served) as server:
        print(server.url, flush=True)
        sys.stdin.read()
        counts = {"requests": len(server.requests), "connections": server.connections, "most": server.max_in_flight}
        counts["refusals"] = server.refusals if isinstance(server, NarrowServer) else 0
        print(json.dumps(counts), flush=True)
