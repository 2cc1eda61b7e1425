"""Patterns of `.gitignore` and `.gitattributes`, with git's own meaning (https://git-scm.com/docs/gitignore), for paths
of a change: there is no work tree to ask git about. Like git's they are about bytes. A pattern is matched without going
back, so that no pattern is slow on any path.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from runner.diff.quoted import QUOTED, unquoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

State = bool | str | None
"""Of an attribute: set, unset, its value; None where it was made unspecified again."""


# -- one pattern ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pattern:
    """One pattern. `by_name` has no slash, and is about the last part of a path, wherever it is."""

    regex: re.Pattern[bytes]
    negated: bool
    only_folders: bool
    by_name: bool

    def matches(self, path: bytes, *, folder: bool = False) -> bool:
        """Whether it is about exactly this path, and not about one above it."""
        if self.only_folders and not folder:
            return False
        return self.regex.match(path.rpartition(b"/")[2] if self.by_name else path) is not None


def _pattern(text: str) -> Pattern | None:
    """None for what matches nothing."""
    glob = _bytes(text)
    negated = glob.startswith(b"!")
    glob = glob[negated:]
    only_folders = glob.endswith(b"/")
    glob = glob[: len(glob) - only_folders]
    by_name = b"/" not in glob
    regex = _regex(glob.removeprefix(b"/"))
    return None if regex is None else Pattern(regex, negated, only_folders, by_name)


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


_NEVER: Final = None
_STAR: Final = b"*"
_FOLDERS: Final = b"**/"
_REST: Final = b"**"


def _regex(glob: bytes) -> re.Pattern[bytes] | None:
    """A chunk is what stands between two `**`, a piece what stands between two `*`.

    The first place at which a piece, or a chunk, fits is as good as any later one, since the star behind it takes what
    is between them. So every one is atomic, and nothing is ever tried again.
    """
    pieces: list[bytes] = [b""]
    chunks = [pieces]
    for kind, regex in _signs(glob):
        if regex is _NEVER:
            return None
        if kind == _STAR:
            pieces.append(b"")
        elif kind == _FOLDERS:
            pieces = [b""]
            chunks.append(pieces)
        else:
            pieces[-1] += regex
    chunks[-1][-1] += rb"\Z"
    first, *others = (_chunk(one) for one in chunks)
    return re.compile(first + b"".join(rb"(?>(?:[^/]*+/)*?%s)" % one for one in others), re.DOTALL)


def _chunk(pieces: Sequence[bytes]) -> bytes:
    return pieces[0] + b"".join(rb"(?>[^/]*?%s)" % one for one in pieces[1:])


def _signs(glob: bytes) -> Iterator[tuple[bytes, bytes | None]]:
    """Each sign of a glob: what kind of star it is, if one, and as a regular expression; _NEVER for what is broken."""
    at = 0
    while at < len(glob):
        sign = glob[at : at + 1]
        if sign == b"*":
            end = at + len(glob[at:]) - len(glob[at:].lstrip(b"*"))
            alone = end - at > 1 and (at == 0 or glob[at - 1 : at] == b"/")
            if alone and glob[end : end + 1] == b"/":
                yield _FOLDERS, b""
                end += 1
            elif alone and end == len(glob):
                yield _REST, b".*"
            else:
                yield _STAR, b""
            at = end
        elif sign == b"[":
            regex, at = _set(glob, at + 1)
            yield sign, regex
        elif sign == b"\\":
            yield sign, re.escape(glob[at + 1 : at + 2]) or _NEVER
            at += 2
        else:
            yield sign, b"[^/]" if sign == b"?" else re.escape(sign)
            at += 1


_CLASSES: Final[Mapping[bytes, bytes]] = {
    b"alnum": rb"0-9A-Za-z",
    b"alpha": rb"A-Za-z",
    b"blank": rb" \t",
    b"cntrl": rb"\x00-\x1f\x7f",
    b"digit": rb"0-9",
    b"graph": rb"!-~",
    b"lower": rb"a-z",
    b"print": rb" -~",
    b"punct": rb"!-/:-@\[-`{-~",
    b"space": rb" \t\n\v\f\r",
    b"upper": rb"A-Z",
    b"xdigit": rb"0-9A-Fa-f",
}
_MEMBER: Final = re.compile(rb"\[:(?P<name>[^\]]*):\]|(?P<low>\\.|[^\\])(?:-(?P<high>\\.|[^\\\]]))?", re.DOTALL)


def _set(glob: bytes, at: int) -> tuple[bytes | None, int]:
    """A set in brackets that begins before `at`, and where it ends. A slash is in none."""
    negated = glob[at : at + 1] in (b"!", b"^") and at < len(glob)
    at += negated
    members: list[bytes] = []
    while not members or glob[at : at + 1] != b"]":
        found = _MEMBER.match(glob, at)
        if found is None or (found["name"] is not None and found["name"] not in _CLASSES):
            return _NEVER, len(glob)
        members.append(_member(found))
        at = found.end()
    one_of = b"|".join(members)
    return (rb"(?!%s)[^/]" if negated else rb"(?!/)(?:%s)") % one_of, at + 1


def _member(found: re.Match[bytes]) -> bytes:
    if found["name"] is not None:
        return b"[%s]" % _CLASSES[found["name"]]
    low, high = found["low"][-1], (found["high"] or found["low"])[-1]
    return rb"[\x%02x-\x%02x]" % (low, max(low, high))


# -- many -------------------------------------------------------------------------------------------------------------


_DEEPEST: Final = 64
"""Folders of one path that are looked at; what is said of deeper ones does not count."""


class Ignore:
    """What lines of a `.gitignore` at the root say of a path. Paths are asked about in their order: what is known of
    folders is kept for the next one, and no longer."""

    def __init__(self, lines: Iterable[str]) -> None:
        given = (_pattern(_without_blanks(line)) for line in lines if line and not line.startswith("#"))
        self._last_first = [one for one in given if one][::-1]
        self._folders: dict[bytes, bool | None] = {}

    def __call__(self, path: str) -> bool | None:
        """True where it is ignored, False where a `!` brings it back, None where nothing is said of it.

        As with git nothing brings back what is in a folder that is ignored.
        """
        whole = _bytes(path)
        said: bool | None = None
        known, self._folders = self._folders, {}
        for slash in islice(re.finditer(b"/", whole), _DEEPEST):
            folder = whole[: slash.start()]
            said = known[folder] if folder in known else self._of(folder, said, folder=True)
            self._folders[folder] = said
            if said:
                return said
        return self._of(whole, said, folder=False)

    def _of(self, path: bytes, above: bool | None, *, folder: bool) -> bool | None:
        return next((not one.negated for one in self._last_first if one.matches(path, folder=folder)), above)


def _without_blanks(line: str) -> str:
    """Without the blanks at its end, but for one that is escaped."""
    line = line.removesuffix("\r")
    bare = line.rstrip(" ")
    escapes = len(bare) - len(bare.rstrip("\\"))
    return bare + " " if escapes % 2 and bare != line else bare


class Attributes:
    """What `.gitattributes` say of a path: for each folder that has such a file ("" is the root) its text."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._rules: dict[str, list[tuple[Pattern, tuple[tuple[str, State], ...]]]] = {}
        self._macros: dict[str, tuple[tuple[str, State], ...]] = {
            "binary": (("diff", False), ("merge", False), ("text", False))
        }
        for folder, text in texts.items():
            prefix = f"{folder}/" if folder else ""
            self._rules[prefix] = []
            for line in text.split("\n"):
                if len(line) < _LONG:
                    self._read(prefix, line)

    def __call__(self, path: str) -> Mapping[str, State]:
        """Every attribute of which something is said; the file that is nearest says it, and its last line."""
        known: dict[str, State] = {}
        for folder in sorted(self._rules, key=len, reverse=True):
            if path.startswith(folder):
                below = _bytes(path.removeprefix(folder))
                for pattern, states in reversed(self._rules[folder]):
                    if pattern.matches(below):
                        self._fill(known, states)
        return known

    def _fill(self, known: dict[str, State], states: tuple[tuple[str, State], ...]) -> None:
        left = list(states)
        while left:
            name, state = left.pop()
            if name not in known:
                known[name] = state
                left += self._macros.get(name, ()) if state is True else ()

    def _read(self, folder: str, line: str) -> None:
        """Lines that git warns of and leaves out are left out."""
        line = line.strip(" \t\r")
        quoted = QUOTED.match(line)
        name = quoted[0] if quoted else "".join(_WORD.findall(line)[:1])
        states = tuple(_state(one) for one in _WORD.findall(line[len(name) :]))
        if not name or line.startswith("#") or not all(_ATTRIBUTE.fullmatch(one) for one, _ in states):
            return
        if name.startswith("[attr]") and len(name) > len("[attr]"):
            if not folder:
                self._macros[name.removeprefix("[attr]")] = states
            return
        pattern = _pattern(unquoted(name))
        if pattern and not pattern.negated:
            self._rules[folder].append((pattern, states))


_WORD: Final = re.compile(r"[^ \t\r]+")
_ATTRIBUTE: Final = re.compile(r"[A-Za-z0-9_.][-A-Za-z0-9_.]*")
_LONG: Final = 2048
"""Lines of so many signs git leaves out."""


def _state(word: str) -> tuple[str, State]:
    state: State = {"-": False, "!": None}.get(word[0], True)
    name, equals, value = word.removeprefix("-" if state is False else "!" if state is None else "").partition("=")
    return name, value if equals and state else state
