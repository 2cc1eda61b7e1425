"""YAML to data, and where each part of it stands: in one pass over the parser's events.

PyYAML's own composer makes an object with two marks of every node, 2.5 KB for a task, and its constructor goes through
all of them again. What is here keeps twenty bytes of a node.
"""

from __future__ import annotations

import math
import re
from array import array
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

import yaml
from yaml.composer import ComposerError
from yaml.events import AliasEvent, MappingEndEvent, MappingStartEvent, ScalarEvent, SequenceEndEvent

from runner.errors import Finding, Location
from runner.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_NODES: Final = 2_000_000  # a bomb of aliases expands far beyond; 100,000 steps stay below
MAX_DEPTH: Final = 64
_TAG: Final = "tag:yaml.org,2002:"
_STR, _MAP, _SEQ, _MERGE = (_TAG + kind for kind in ("str", "map", "seq", "merge"))
_SCALARS: Final = frozenset(_TAG + kind for kind in ("int", "float", "bool", "null"))
_MEANT: Final = {_MAP: "mapping", _SEQ: "sequence", **dict.fromkeys((*_SCALARS, _STR), "scalar")}
_FAR: Final = "nested too deeply or expanded too far by aliases"


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Safe YAML with the scalars of YAML 1.2's core schema, which are nearly JSON's: `off` and `12:30` are text."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}

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
    _Loader.add_implicit_resolver(f"{_TAG}{_kind}", re.compile(f"^(?:{_pattern})$"), list(_first))
_Loader.add_constructor(f"{_TAG}int", _Loader.construct_yaml_int)


# -- where things stand -----------------------------------------------------------------------------------------------

_SCALAR, _SEQUENCE, _MAPPING = range(3)
_WIDE: Final = 200
"""Nodes of a mapping that is looked through once for all its keys."""


class Places:
    """Where the nodes of a document stand. They are numbered as they come: a mapping, its first key, what that key
    holds. `_ends` says which number comes behind a node and all in it; an alias has that of its anchor in `_anchors`.
    """

    def __init__(self) -> None:
        self._marks, self._ends, self._kinds = array("Q"), array("I"), bytearray()
        self._keys: list[str | None] = []
        self._anchors: dict[int, int] = {}
        self._parts: dict[int, Any] = {}
        self._renamed: dict[tuple[int, str], tuple[int, int]] = {}

    def add(self, mark: Any, kind: int = _SCALAR, key: str | None = None) -> int:
        """The number of a node that begins here; `key` is what it says where it is the key of a mapping."""
        number = len(self._ends)
        self._marks.append(mark.line << 32 | mark.column)
        self._ends.append(number + 1)
        self._kinds.append(kind)
        self._keys.append(key)
        return number

    def __len__(self) -> int:
        return len(self._ends)

    def says(self, number: int, key: str) -> None:
        """A node turned out to be a key."""
        self._keys[number] = key

    def end(self, number: int) -> None:
        """All that is in a node has come."""
        self._ends[number] = len(self._ends)

    def alias(self, number: int, anchor: int) -> None:
        """A node is another one over again."""
        self._anchors[number] = anchor

    def at(self, number: int) -> tuple[int, int]:
        """Line and column of a node, from 1."""
        mark = self._marks[number]
        return (mark >> 32) + 1, (mark & 0xFFFFFFFF) + 1

    def way(self, path: Sequence[str | int]) -> Iterator[tuple[str | int, int, int]]:
        """The steps of a path that the document has, each with its key and its value; others are passed over."""
        number = 0
        for part in path:
            if (found := self._child(number, part)) is not None:
                number = found[1]
                yield part, *found

    def rename(self, path: Sequence[str | int], key: str) -> None:
        """From now on find what stands at `path` under another key as well."""
        number = next((value for *_, value in reversed([*self.way(path[:-1])])), 0)
        if self._kinds[number] == _MAPPING and (found := self._child(number, path[-1])) is not None:
            self._renamed[number, key] = found

    def _child(self, number: int, part: str | int) -> tuple[int, int] | None:
        """The key and the value of one part of a path, looking through merge keys."""
        kind = self._kinds[number]
        if kind == _SEQUENCE and isinstance(part, int):
            if part >= len(items := self._items(number)):
                return None
            item = self._target(items[part])
            return item, item
        if kind != _MAPPING:
            return None
        if (number, part) in self._renamed:
            return self._renamed[number, str(part)]
        if (direct := self._of_mapping(number, part)) is not None:
            return direct
        for key, value in self._pairs(number):
            if self._keys[key] is None:
                merged = self._target(value)
                for one in self._items(merged) if self._kinds[merged] == _SEQUENCE else [merged]:
                    if found := self._child(self._target(one), part):
                        return found
        return None

    def _of_mapping(self, number: int, part: str | int) -> tuple[int, int] | None:
        if self._ends[number] - number > _WIDE:
            if number not in self._parts:
                # Backwards, so that of two the first is found.
                pairs = reversed([*self._pairs(number)])
                self._parts[number] = {self._keys[key]: (key, self._target(value)) for key, value in pairs}
            wide: dict[Any, tuple[int, int]] = self._parts[number]
            return wide.get(part)
        for key, value in self._pairs(number):
            if self._keys[key] == part:
                return key, self._target(value)
        return None

    def _target(self, number: int) -> int:
        return self._anchors.get(number, number)

    def _pairs(self, number: int) -> Iterator[tuple[int, int]]:
        key, end = number + 1, self._ends[number]
        while key < end:
            value = self._ends[key]
            yield key, value
            key = self._ends[value]

    def _items(self, number: int) -> array[int]:
        if number not in self._parts:
            items, item, end = array("I"), number + 1, self._ends[number]
            while item < end:
                items.append(item)
                item = self._ends[item]
            self._parts[number] = items
        found: array[int] = self._parts[number]
        return found


# -- what is read -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Composed:
    """A document as data, where its parts stand, and what makes it other than plain JSON values: duplicate or odd keys,
    tags, bombs. With findings the data is of no use. `is_empty` is a stream without a document."""

    data: Any
    places: Places
    findings: tuple[Finding, ...]
    is_empty: bool = False


def compose(text: str, shown: str) -> Composed:
    """Read one document. Raises yaml.YAMLError for what is no YAML."""
    loader = _Loader(text)
    try:
        return _Composer(loader, shown).document()
    finally:
        loader.dispose()


class _Anchor(NamedTuple):
    """What an alias stands for. One that is not `whole` holds the alias itself."""

    number: int
    value: Any = None
    nodes: int = 0
    height: int = 0
    whole: bool = False


class _TooFar(Exception):
    """There is no end to be seen, or one too far away."""


class _Composer:
    def __init__(self, loader: Any, shown: str) -> None:
        self._loader, self._shown = loader, shown
        self._next, self._resolvers = loader.get_event, loader.yaml_implicit_resolvers
        self._places = Places()
        self._anchors: dict[str, _Anchor] = {}
        self._findings: dict[Finding, None] = {}
        self._nodes = self._deepest = 0

    def document(self) -> Composed:
        self._next()  # the stream's beginning
        if isinstance(self._next(), yaml.StreamEndEvent):
            return Composed(None, self._places, (), is_empty=True)
        data = None
        try:
            data = self._node(self._next(), 0)
        except _TooFar:  # what comes behind is not looked at
            return Composed(None, self._places, tuple(self._findings))
        self._next()  # the document's end
        if not isinstance(further := self._next(), yaml.StreamEndEvent):
            told = "expected a single document in the stream", None, "but found another document"
            raise ComposerError(*told, further.start_mark)
        return Composed(data, self._places, tuple(self._findings))

    def _node(self, event: Any, depth: int) -> Any:
        """The value that begins with an event."""
        self._nodes += 1
        if depth > MAX_DEPTH or self._nodes > MAX_NODES:
            self._find("nested too deeply" if depth > MAX_DEPTH else _FAR, event)
            raise _TooFar
        if depth > self._deepest:
            self._deepest = depth
        if isinstance(event, AliasEvent):
            return self._aliased(event, depth)
        if event.anchor is not None:
            return self._anchored(event, depth)
        return self._plain(event, depth)

    def _plain(self, event: Any, depth: int) -> Any:
        if isinstance(event, ScalarEvent):
            self._places.add(event.start_mark)
            tag = self._tag(event)
            return event.value if tag == _STR else self._scalar(event, tag)
        is_mapping = isinstance(event, MappingStartEvent)
        if event.tag not in (None, "!", _MAP if is_mapping else _SEQ):
            self._strange(event.tag, event, "mapping" if is_mapping else "sequence")
        number = self._places.add(event.start_mark, _MAPPING if is_mapping else _SEQUENCE)
        value = self._mapping(depth) if is_mapping else self._sequence(depth)
        self._places.end(number)
        return value

    def _sequence(self, depth: int) -> list[Any]:
        found = []
        while not isinstance(event := self._next(), SequenceEndEvent):
            found.append(self._node(event, depth + 1))
        return found

    def _mapping(self, depth: int) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        lines: dict[str, int] = {}
        while not isinstance(event := self._next(), MappingEndEvent):
            tag = self._tag(event) if isinstance(event, ScalarEvent) and event.anchor is None else None
            if tag == _MERGE:
                self._places.add(event.start_mark)
                self._merge(merged, behind := self._next(), self._node(behind, depth + 1))
                continue
            key = self._key(event, tag, depth)
            if key in lines:
                self._find(f"key '{key}' stands here again; it was first written in line {lines[key]}", event)
            lines.setdefault(key, event.start_mark.line + 1)
            own[key] = self._node(self._next(), depth + 1)
        return {**merged, **own} if merged else own

    def _key(self, event: Any, tag: str | None, depth: int) -> str:
        """The key that begins with an event; what is no text is told of."""
        if tag == _STR:
            self._places.add(event.start_mark, key=event.value)
            return str(event.value)
        number = len(self._places)
        value = self._node(event, depth + 1)
        if isinstance(value, str):
            self._places.says(number, value)
            return value
        scalar = isinstance(event, yaml.ScalarEvent)
        self._find(f"key {event.value if scalar else 'here'} is not text; quote it", event)
        return f"\0{number}"

    def _merge(self, into: dict[str, Any], event: Any, value: Any) -> None:
        """What stands behind `<<`: https://yaml.org/type/merge.html"""
        all_of_it = value if isinstance(value, list) else [value]
        if any(not isinstance(one, dict) for one in all_of_it):
            self._find("not valid YAML: behind '<<' stands a mapping, or a list of mappings", event)
            return
        for one in reversed(all_of_it):
            into |= one

    def _tag(self, event: Any) -> str:
        if event.tag is None or event.tag == "!":
            if not event.implicit[0] or event.value[:1] not in self._resolvers:
                return _STR
            return str(self._loader.resolve(yaml.ScalarNode, event.value, event.implicit))
        return str(event.tag)

    def _scalar(self, event: Any, tag: str) -> Any:
        if tag == _STR:
            return event.value
        if tag not in _SCALARS:
            return self._strange(tag, event, "scalar")
        if tag.endswith("float") and not _finite(event.value):
            return self._find(f"{event.value} is not a number that JSON knows", event)
        node = yaml.ScalarNode(tag, event.value, event.start_mark, event.end_mark)
        try:
            return self._loader.yaml_constructors[tag](self._loader, node)
        except (ValueError, LookupError):  # such as an integer of 5,000 digits
            return self._find(f"not valid YAML: this cannot be read as {tag.removeprefix(_TAG)}", event)

    def _anchored(self, event: Any, depth: int) -> Any:
        if event.anchor in self._anchors:
            raise ComposerError(None, None, f"the anchor '{event.anchor}' is a second one", event.start_mark)
        before, deepest, number = self._nodes - 1, self._deepest, len(self._places)
        self._anchors[event.anchor], self._deepest = _Anchor(number), depth
        value = self._plain(event, depth)
        height = self._deepest - depth
        self._anchors[event.anchor] = _Anchor(number, value, self._nodes - before, height, whole=True)
        self._deepest = max(self._deepest, deepest)
        return value

    def _aliased(self, event: Any, depth: int) -> Any:
        """What was anchored, counted anew: it is gone through as often as it is named."""
        if event.anchor not in self._anchors:
            raise ComposerError(None, None, "found undefined alias", event.start_mark)
        anchor = self._anchors[event.anchor]
        self._nodes += anchor.nodes - 1
        self._deepest = max(self._deepest, depth + anchor.height)
        if not anchor.whole or depth + anchor.height > MAX_DEPTH or self._nodes > MAX_NODES:
            self._find(_FAR, event)
            raise _TooFar
        self._places.alias(self._places.add(event.start_mark), anchor.number)
        return anchor.value

    def _strange(self, tag: str, event: Any, kind: str) -> None:
        told = f"tag {tag.removeprefix(_TAG)!r} is not a plain value"
        if tag in _MEANT:
            told = f"not valid YAML: expected a {_MEANT[tag]} node, but found {kind}"
        self._find(told, event)

    def _find(self, told: str, event: Any) -> None:
        place = Location(self._shown, event.start_mark.line + 1, event.start_mark.column + 1)
        self._findings.setdefault(Finding(told, place))


def _finite(number: str) -> bool:
    try:
        return math.isfinite(float(number.replace("_", "")))
    except ValueError:  # .nan and .inf are YAML's own
        return number.strip(".+-").lower() not in ("nan", "inf")
