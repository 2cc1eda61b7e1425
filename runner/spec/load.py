"""Text to `Spec`, keeping file:line:column for everything that is said about it afterwards.

The YAML node tree is kept beside the data, and a location is looked up in it only when somebody asks.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import yaml
from pydantic import ValidationError
from yaml.constructor import ConstructorError

from runner.errors import FileProblem, Finding, Location, SpecError
from runner.spec.mend import mended, resembled
from runner.spec.models import Agent, Spec
from runner.spec.nearest import nearest
from runner.spec.shape import Shape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from pydantic_core import ErrorDetails

S = TypeVar("S", bound=Shape)
MAX_BYTES = 10 * 1024 * 1024
_HALVES = re.compile(r"(?<!\\)((?:\\\\)*)(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})")
MAX_NODES = 2_000_000  # a bomb of aliases expands far beyond; 100,000 steps stay below
MAX_DEPTH = 64
NEEDS = "a workflow needs version, name, runtime, agents, pattern"
_INDEX = "index"  # a mapping node's keys by what they say, kept on it: looking through thousands each time is slow


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Safe YAML with the scalars of YAML 1.2's core schema, which are nearly JSON's: `off` and `12:30` are text."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """A scalar that its own tag cannot read, such as an integer of 5,000 digits, is told of with its place."""
        try:
            return super().construct_object(node, deep=deep)
        except (ValueError, LookupError):
            kind = node.tag.removeprefix("tag:yaml.org,2002:")
            raise ConstructorError(None, None, f"this cannot be read as {kind}", node.start_mark) from None

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        text = str(self.construct_scalar(node))
        number = int(text, 0) if text[:2] in ("0o", "0x") else int(text)
        str(number)  # no message could name what Python reads and does not write
        return number


# https://yaml.org/spec/1.2.2/#1032-tag-resolution
for _kind, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(f"^(?:{_pattern})$"), list(_first))
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)


@dataclass(frozen=True)
class Document:
    """A file as data and as nodes."""

    file: str
    data: Any
    node: yaml.Node | None = None

    def locate(self, path: Sequence[str | int], *, key: bool = False) -> Location:
        """Where `path` stands: its value, or with `key` the key it is written under.

        Steps of the path that the document does not have (a missing key, the tag of a union) are passed over, so
        that the nearest thing that was written is named.
        """
        node, mark = self.node, self.node
        for part in path:
            found = _child(node, part)
            if found is not None:
                mark, node = (found[0], found[1]) if key else (found[1], found[1])
        if mark is None:
            return Location(self.file)
        return Location(self.file, mark.start_mark.line + 1, mark.start_mark.column + 1)

    def rename(self, path: Sequence[str | int], key: str) -> None:
        """From now on find what stands at `path` under another key, at the same place."""
        node = self.node
        for part in path[:-1]:
            found = _child(node, part)
            node = found[1] if found else node
        if isinstance(node, yaml.MappingNode) and (found := _child(node, path[-1])) is not None:
            _index(node)[key] = found

    def parent(self, path: Sequence[str | int]) -> Any:
        """The data that holds the last part of `path`."""
        value = self.data
        for part in path[:-1]:
            if (isinstance(value, dict) and part in value) or (isinstance(value, list) and isinstance(part, int)):
                value = value[part]  # type: ignore[index]
        return value


def read(path: Path, shown: str, needs: str = NEEDS) -> Document:
    """Read a YAML or JSON file; `shown` is how messages name it, `needs` what they say that an empty one lacks.

    Raises FileProblem when it cannot be read, SpecError when it is not one document of plain values.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise FileProblem(f"{shown} is larger than {MAX_BYTES // 1024 // 1024} MB", at=Location(shown))
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise FileProblem(
            f"there is no file {shown}; paths are relative to the workspace", at=Location(shown)
        ) from None
    except IsADirectoryError:
        raise FileProblem(f"{shown} is a directory; name a workflow file in it", at=Location(shown)) from None
    except UnicodeDecodeError as error:
        raise SpecError([Finding(f"not UTF-8 text (byte {error.start})", Location(shown))]) from None
    except OSError as error:
        raise FileProblem(f"{shown} cannot be read: {error.strerror}", at=Location(shown)) from error
    # Tabs are white space to JSON and an error to YAML; valid JSON has none inside its strings.
    return parse(text.replace("\t", " ") if path.suffix == ".json" else text, shown, needs)


def parse(text: str, shown: str, needs: str = NEEDS) -> Document:
    """Parse text as YAML (and so JSON). Raises SpecError with a location."""
    if text.lstrip()[:1] in ("{", "["):  # JSON: what it escapes in two halves, YAML cannot read
        text = _HALVES.sub(lambda found: found[1] + json.loads(f'"{found[2]}"'), text)
    try:
        if place := _too_deep(text, shown):
            raise SpecError([Finding("nested too deeply", place)])
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                raise SpecError([Finding(f"the file is empty; {needs}", Location(shown))])
            if findings := list(dict.fromkeys(_unplain(node, shown))):
                raise SpecError(findings)
            return Document(shown, loader.construct_document(node), node)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = Location(shown, mark.line + 1, mark.column + 1) if mark else Location(shown)
        raise SpecError([Finding(f"not valid YAML: {error.problem or error.context}", at)]) from None
    except yaml.YAMLError as error:
        raise SpecError([Finding(f"not valid YAML: {' '.join(str(error).split())}", Location(shown))]) from None
    except UnicodeEncodeError:
        raise SpecError([Finding("not Unicode text: it has half a surrogate pair", Location(shown))]) from None


def _too_deep(text: str, shown: str) -> Location | None:
    """Where a text nests deeper than anything we read. Asked first, for libyaml composes nodes by recursion in C and
    a hundred thousand brackets would end the process."""
    loader = _Loader(text)
    try:
        depth = 0
        while loader.check_event():
            event = loader.get_event()
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH + 1:
                return Location(shown, event.start_mark.line + 1, event.start_mark.column + 1)
        return None
    finally:
        loader.dispose()


def to_spec(document: Document) -> Spec:
    """Check a document against the language. Raises SpecError with every finding."""
    source, findings = read_through(document)
    if findings or source is None:
        raise SpecError(findings)
    return source


def read_through(document: Document) -> tuple[Spec | None, list[Finding]]:
    """A document as it is most likely meant, and everything that is wrong with its shape; None where nobody can say
    what is meant."""
    if not isinstance(document.data, dict):
        kind = type(document.data).__name__
        message = f"a workflow file is a mapping with version, name, runtime, agents and pattern, not a {kind}"
        return None, [Finding(message, document.locate(()))]
    known: dict[int, tuple[str, ...]] = {}
    try:
        return Spec.model_validate(document.data, context=known), []
    except ValidationError as error:
        findings = _findings(error.errors(include_url=False), document, known)
    meant, further = mended(document.data, known, document.rename)
    findings |= _findings(further, document, known)
    return meant, sorted(findings, key=lambda finding: finding.at)


def to_agent(document: Document, place: tuple[str, ...]) -> Agent:
    """Check one agent of a document, or with an empty place all of it. Raises SpecError with every finding."""
    return to_shape(Agent, document, place)


def to_shape(shape: type[S], document: Document, place: tuple[str, ...] = ()) -> S:
    """Check what stands at a place of a document, or all of it. Raises SpecError with every finding."""
    known: dict[int, tuple[str, ...]] = {}
    try:
        return shape.model_validate(document.parent((*place, "")), context=known)
    except ValidationError as error:
        wrong: list[Any] = [{**one, "loc": (*place, *one["loc"])} for one in error.errors(include_url=False)]
        raise SpecError(sorted(_findings(wrong, document, known), key=lambda finding: finding.at)) from None


def _findings(
    wrong: Iterable[ErrorDetails], document: Document, known: dict[int, tuple[str, ...]]
) -> dict[Finding, None]:
    """Validation errors in our words, each once; a key that is only misspelled is not missing as well."""
    wrong = list(wrong)
    meant = {
        (*one["loc"][:-1], resembled(str(one["loc"][-1]), known.get(id(document.parent(one["loc"])), ())))
        for one in wrong
        if one["type"] == "extra_forbidden"
    }
    real = [one for one in wrong if one["type"] != "missing" or one["loc"] not in meant]
    return {_finding(details, document, known): None for details in real}


def _finding(details: ErrorDetails, document: Document, known: dict[int, tuple[str, ...]]) -> Finding:
    """A validation error in our words, at its place."""
    path = tuple(part for part in details["loc"] if isinstance(part, str | int))
    place = _dotted(_written(document, path)) or "the file"
    given = details["input"]
    match details["type"]:
        case "extra_forbidden":
            key = str(path[-1])
            choices = known.get(id(document.parent(path)), ())
            if path[:-1] == ("inputs",) and _declares(given):
                message = f"unknown key '{key}'; an input is declared below 'required' or 'optional'"
                return Finding(message, document.locate(path, key=True))
            if key in choices:
                message = f"key '{key}' is another spelling of a key that stands here too"
                return Finding(message, document.locate(path, key=True))
            return Finding(f"unknown key '{key}'; {nearest(key, choices)}", document.locate(path, key=True))
        case "missing":
            return Finding(f"{place} needs the key '{path[-1]}'", document.locate(path))
        case "union_tag_invalid":
            expected = str(details["ctx"]["expected_tags"]).replace("'", "")
            tag = str(details["ctx"]["tag"])
            return Finding(f"{place}: type '{tag}' is not one of: {expected}", document.locate((*path, "type")))
        case "union_tag_not_found":
            return Finding(f"{place} needs the key 'type'", document.locate(path))
        case "literal_error":
            expected = str(details["ctx"]["expected"]).replace("'", "")
            return Finding(f"{place}: {_show(given)} is not one of: {expected}", document.locate(path))
        case "string_pattern_mismatch":
            return Finding(f"{place}: {_show(given)} may hold only letters, digits and . _ : -", document.locate(path))
        case "value_error":
            return Finding(f"{place}: {details['ctx']['error']}", document.locate(path))
        case _:
            message = re.sub("^(Input|List|String|Dictionary) ", "", details["msg"])
            message = re.sub(" (after validation|or object to extract fields from|or instance of .*)", "", message)
            message = message.replace("valid dictionary", "mapping")
            return Finding(f"{place}: {_show(given)} {message}", document.locate(path))


def _declares(value: Any) -> bool:
    """Whether a value is what stands behind the name of an input that is declared."""
    return isinstance(value, str) or (isinstance(value, dict) and "type" in value)


def _dotted(path: Iterable[str | int]) -> str:
    """A path as it is read aloud: `pattern.config.steps[1].agent`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def _written(document: Document, path: Sequence[str | int]) -> Iterator[str | int]:
    """The parts of a validation path that stand in the document: without the tags of unions."""
    node = document.node
    for part in path:
        found = _child(node, part)
        if found is not None:
            node = found[1]
            yield part


def _show(value: Any) -> str:
    text = (
        repr(value) if not isinstance(value, dict | list) else f"a {'mapping' if isinstance(value, dict) else 'list'}"
    )
    return text if len(text) <= 60 else text[:57] + "..."


def _child(node: yaml.Node | None, part: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    """The key and value nodes of one part of a path, looking through merge keys."""
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    if isinstance(node, yaml.MappingNode):
        if part in _index(node):
            return _index(node)[str(part)]
        for key, value in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                for merged in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                    if found := _child(merged, part):
                        return found
    return None


def _index(node: yaml.MappingNode) -> dict[str, tuple[yaml.Node, yaml.Node]]:
    found: dict[str, tuple[yaml.Node, yaml.Node]] | None = getattr(node, _INDEX, None)
    if found is None:
        found = {key.value: (key, value) for key, value in reversed(node.value)}
        setattr(node, _INDEX, found)
    return found


_PLAIN_TAGS = frozenset(
    f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null", "map", "seq", "merge")
)


def _unplain(root: yaml.Node, shown: str) -> Iterator[Finding]:
    """What makes a tree of nodes other than plain JSON values: duplicate or odd keys, tags, bombs."""
    visited = 0
    pending = [(root, 0)]
    while pending:
        node, depth = pending.pop()
        visited += 1
        at = Location(shown, node.start_mark.line + 1, node.start_mark.column + 1)
        if visited > MAX_NODES or depth > MAX_DEPTH:
            yield Finding("nested too deeply or expanded too far by aliases", at)
            return
        if node.tag not in _PLAIN_TAGS:
            yield Finding(f"tag {node.tag.removeprefix('tag:yaml.org,2002:')!r} is not a plain value", at)
        if isinstance(node, yaml.ScalarNode) and node.tag.endswith(":float") and not _finite(node.value):
            yield Finding(f"{node.value} is not a number that JSON knows", at)
        if isinstance(node, yaml.MappingNode):
            yield from _bad_keys(node, shown)
            pending.extend((value, depth + 1) for _, value in node.value)
        elif isinstance(node, yaml.SequenceNode):
            pending.extend((value, depth + 1) for value in node.value)


def _finite(number: str) -> bool:
    try:
        return math.isfinite(float(number.replace("_", "")))
    except ValueError:  # .nan and .inf are YAML's own
        return number.strip(".+-").lower() not in ("nan", "inf")


def _bad_keys(node: yaml.MappingNode, shown: str) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    for key, _ in node.value:
        at = Location(shown, key.start_mark.line + 1, key.start_mark.column + 1)
        if key.tag == "tag:yaml.org,2002:merge":
            continue
        if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
            yield Finding(f"key {key.value if isinstance(key, yaml.ScalarNode) else 'here'} is not text; quote it", at)
        elif key.value in seen:
            yield Finding(f"key '{key.value}' stands here again; it was first written in line {seen[key.value]}", at)
        else:
            seen[key.value] = at.line
