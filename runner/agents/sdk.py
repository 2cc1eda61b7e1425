"""The SDK without that of AWS, which it imports for three modules of its own: a fifth of the time that it takes to
import, and only runs on Bedrock need any of it.

For a process that is ours alone. Those three modules are made anew by whoever imports them, with the real thing.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any, Final

LEFT_OUT: Final = ("boto3", "botocore", "botocore.config", "botocore.exceptions")
"""What the SDK imports of AWS's. A version of it that needs more of it fails to import here."""

HOLDERS: Final = (
    "strands.models.bedrock",
    "strands.session.s3_session_manager",
    "strands.vended_plugins.context_offloader.storage",
)
"""Its modules that do."""


class _Absent(Exception):
    """What stands for a class there. An exception, for some are to be caught; none is ever made."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        raise ImportError(f"{cls.__name__} of AWS's SDK was left out; import {' or '.join(HOLDERS)} anew")


class _Placeholder(ModuleType):
    def __getattr__(self, name: str) -> type[_Absent]:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (_Absent,), {})


def import_sdk() -> None:
    """Import the SDK, without AWS's where neither is there yet."""
    if "strands" in sys.modules or "boto3" in sys.modules or "botocore" in sys.modules:
        return
    sys.modules.update({name: _Placeholder(name) for name in LEFT_OUT})
    try:
        importlib.import_module("strands")
    finally:
        for name in (*LEFT_OUT, *HOLDERS):
            sys.modules.pop(name, None)
