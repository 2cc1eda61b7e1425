"""Matches regular expressions against lines, as a process of its own: a pattern that a model wrote may backtrack for
ever, holding the interpreter's lock, and only a process can be ended from outside.

Run as a script, which gives up its rights before it reads a word: one question as JSON on stdin, answered on stdout.
"""

from __future__ import annotations

import json
import os
import re
import resource
import sys
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, os.path.abspath(f"{__file__}/../../../.."))

from runner.agents.tools import rights

MEMORY = 1024 * 1024 * 1024  # bytes of address space


def answer(question: Any) -> dict[str, Any]:
    """For every file the indexes of the lines that some pattern matches; no more than `most` in all."""
    flags = 0 if question["case_sensitive"] else re.IGNORECASE
    try:
        patterns = [re.compile(pattern, flags) for pattern in question["patterns"]]
    except (re.error, OverflowError, RecursionError) as error:
        return {"problem": f"not a regular expression: {error}"}
    left, found = question["most"], []
    for lines in question["files"]:
        hits = []
        for index, line in enumerate(lines):
            if left and any(pattern.search(line) for pattern in patterns):
                hits.append(index)
                left -= 1
        found.append(hits)
    return {"found": found}


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    rights.give_up(readable=())
    json.dump(answer(json.load(sys.stdin)), sys.stdout)
