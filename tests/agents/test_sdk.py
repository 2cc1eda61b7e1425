"""The SDK, imported without that of AWS: what holds a placeholder then, and that Bedrock has the real thing."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from typing import Any

import pytest

ASKED = """
import json, sys
from runner.agents import sdk
sdk.import_sdk()
names = {name.partition(".")[0] for name in sys.modules}
told = {"there": sorted(names & {"strands", "boto3", "botocore", "s3transfer"})}
held = (sdk._Placeholder, sdk._Absent)
told["held"] = sorted(
    f"{name}.{key}"
    for name, module in list(sys.modules.items()) if name.startswith("strands")
    for key, value in vars(module).items()
    if isinstance(value, held) or (isinstance(value, type) and issubclass(value, held))
)
from strands import Agent
try:
    Agent()
except ImportError as error:
    told["without a model"] = str(error)
before = {name for name in sys.modules if name.startswith("strands")}
for name in sdk.HOLDERS:
    __import__(name)
    told[name] = vars(sys.modules[name])["boto3"].__name__, sys.modules[name].boto3.Session.__module__
import strands.models, boto3
told["real"] = strands.models.bedrock is sys.modules["strands.models.bedrock"]
sdk.import_sdk()
told["again"] = sys.modules["boto3"] is boto3
print(json.dumps(told))
"""


@cache
def told() -> dict[str, Any]:
    """What a process of its own finds."""
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", ASKED], capture_output=True, text=True, check=True, timeout=60
    )
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def test_nothing_of_aws_is_there_and_no_module_holds_what_stood_for_it() -> None:
    assert told()["there"] == ["strands"]
    assert told()["held"] == []


def test_what_is_called_all_the_same_says_that_it_was_left_out() -> None:
    assert "of AWS's SDK was left out" in told()["without a model"]


@pytest.mark.parametrize("module", ["strands.models.bedrock", "strands.session.s3_session_manager"])
def test_who_imports_one_of_these_afterwards_has_the_real_thing(module: str) -> None:
    assert told()[module] == ["boto3", "boto3.session"]
    assert told()["real"]


def test_what_is_there_already_is_left_as_it_is() -> None:
    assert told()["again"]
