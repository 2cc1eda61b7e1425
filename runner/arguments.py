"""The command line: the inputs of the action as flags, commands in the place of modes, and what it prints by itself."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import Any

from runner.errors import UsageError
from runner.inputs import INPUTS, WORDS, ActionInputs, flag, from_strings


def from_arguments(arguments: Sequence[str]) -> ActionInputs | str:
    """The inputs as flags of a command line, or the text to print when it asks for nothing to be run.

    Raises UsageError for arguments that do not fit.
    """
    parser = _parser(arguments)
    try:
        found = vars(parser.parse_args([*_with_values(arguments)]))
    except argparse.ArgumentError as error:
        raise UsageError(f"{error}; see --help") from None
    except _Help as asked:
        return asked.text
    command, paths = found.pop("command"), found.pop("files", [])
    if command is None:
        return parser.format_help()
    if command == "schema":
        return schema_text()
    plan_as = found.pop("plan_as", None) or "text"
    given = {name: value for name, value in found.items() if isinstance(value, str)}
    given["mode"] = given.get("mode", "live") if command == "run" else command
    if paths:
        given["spec"] = "\n".join(paths)
    return from_strings(given, plan_as=plan_as)


def _with_values(arguments: Sequence[str]) -> Iterator[str]:
    """The arguments, with `true` behind a flag that is true or false and was given without a value."""
    flags = {f"--{one.name}" for one in INPUTS if one.read is flag}
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=True):
        bare = argument in flags and following.lower() not in WORDS
        yield f"{argument}=true" if bare else argument


def schema_text() -> str:
    """The JSON Schema of the language, for editors."""
    import json

    from runner.spec.models import Spec

    schema = Spec.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "strands-action workflow"
    return json.dumps(schema, indent=2) + "\n"


class _Help(Exception):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class _Parser(argparse.ArgumentParser):
    """argparse that neither prints nor exits: the door does both."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(exit_on_error=False, allow_abbrev=False, **kwargs)

    def error(self, message: str) -> Any:
        raise UsageError(f"{message}; see --help")

    def print_help(self, file: Any = None) -> None:
        raise _Help(self.format_help())


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """What reads these arguments: commands that are not named in them have no flags."""
    parser = _Parser(
        prog="strands-action",
        description="Run declarative agent workflows. Without arguments the inputs are read from INPUT_* variables.",
        epilog="Exit codes: 0 success, 2 inputs, 3 invalid workflow, 10 a step failed, 11 not posted, 12 files, "
        "14 recordings, 19 paused, 20 budget, 21 timeout, 70 a bug, 130 cancelled.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    for name, what, count in (
        ("run", "run a workflow file (or --prompt)", "?"),
        ("validate", "check workflow files without running them", "+"),
        ("plan", "print what would run", "?"),
        ("test", "run test cases (*.test.yaml), also of directories and of workflow files", "+"),
    ):
        command = commands.add_parser(name, help=what, description=what)
        if name in arguments:
            _take(command, name, count)
    commands.add_parser("schema", help="print the JSON Schema of the language")
    return parser


def _take(command: argparse.ArgumentParser, name: str, count: str) -> None:
    """Have a command take as many files, and its flags."""
    command.add_argument("files", metavar="SPEC", nargs=count, action=_Files)
    for one in INPUTS:
        if one.name not in ("spec", "mode") or (one.name == "mode" and name == "run"):
            default = f" (default: {one.default})" if one.default else ""
            command.add_argument(f"--{one.name}", dest=one.name, metavar="VALUE", help=one.help + default)
    if name != "run":
        command.add_argument("--mode", action=_Mode, help=argparse.SUPPRESS)
    if name == "plan":
        for shape, told in (
            ("json", "print the plan as JSON"),
            ("mermaid", "print the plan as Mermaid"),
            ("matrix", "print its shards as the matrix of a job, one line of JSON"),
        ):
            command.add_argument(f"--{shape}", dest="plan_as", action="store_const", const=shape, help=told)


class _Mode(argparse.Action):
    """The flag of `run`, where somebody looks for it in a command that is a mode."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option: Any = None) -> None:
        raise UsageError(f"--mode is a flag of 'run', and '{parser.prog.split()[-1]}' a mode of its own; "
                         f"say 'run --mode {values}' with a workflow file or a test file")  # fmt: skip


class _Files(argparse.Action):
    """One file or several, always as a list."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option: Any = None) -> None:
        setattr(namespace, self.dest, [values] if isinstance(values, str) else values or [])
