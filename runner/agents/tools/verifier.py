"""Checks a workflow file, as a process of its own: a template in it may have a constant computed that takes for ever.

Run as a script: the file's text on stdin, what is found as JSON on stdout. It gives up its rights before it reads a
word, and can read no other file but what it imports.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[3]))

from runner.agents.tools import rights
from runner.errors import RunnerError
from runner.plan.make import make_plan
from runner.spec.load import parse, to_spec

if TYPE_CHECKING:
    from runner.errors import Finding

SHOWN = "spec_content"
MEMORY = 1024 * 1024 * 1024  # bytes of address space
OURS = """\
version: 1
name: ours
runtime: {provider: openai, model_id: m}
inputs: {values: {topic: a}}
agents: {writer: {prompt: "About {{ topic }}.", output_schema: {type: object}}}
pattern: {type: chain, config: {steps: [{agent: writer, input: "{% if topic != 'a' %}{{ topic | upper }}{% endif %}"}]}}
"""
"""A file that has what a check loads something for: a template with a text in it, and a schema."""


def verify(text: str) -> dict[str, Any]:
    """Whether a file is valid, everything that is found, and its name and pattern when it can be read."""
    name = pattern = None
    try:
        document = parse(text, SHOWN)
        source = to_spec(document)
        name, pattern = source.name, source.pattern.type
        findings, valid = make_plan(source, document, need_values=False).warnings, True
    except RunnerError as error:
        findings, valid = error.findings, False
    return {"valid": valid, "findings": [_told(one) for one in findings], "name": name, "pattern": pattern}


def warm_up() -> None:
    """Has all loaded that a check ever needs: it may lie where the user that is nobody cannot go."""
    for file in (OURS, OURS.replace("agents", "agnets")):
        verify(file)


def _told(finding: Finding) -> dict[str, Any]:
    at = finding.at
    return {"message": finding.message, "line": at.line, "column": at.column, "level": finding.level}


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warm_up()
    rights.give_up(readable=(sys.prefix, sys.base_prefix, sys.path[0], *rights.SYSTEM))
    json.dump(verify(sys.stdin.buffer.read().decode()), sys.stdout, indent=1)
