"""Text to `Spec`, keeping file:line:column for everything that is said about it afterwards.

Where things stand is kept beside the data (`compose`), and a location is looked up only when somebody asks.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, TypeVar

import yaml
from pydantic import ValidationError

from runner.errors import FileProblem, Finding, Location, SpecError
from runner.records import dataclass
from runner.spec.compose import compose
from runner.spec.models import Agent, Spec
from runner.spec.nearest import nearest
from runner.spec.shape import Shape

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pydantic_core import ErrorDetails

    from runner.spec.compose import Places

S = TypeVar("S", bound=Shape)
MAX_BYTES = 10 * 1024 * 1024
_HALVES = re.compile(r"(?<!\\)((?:\\\\)*)(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})")
NEEDS = "a workflow needs version, name, runtime, agents, pattern"


@dataclass(frozen=True)
class Document:
    """A file as data, and where its parts stand."""

    file: str
    data: Any
    places: Places | None = None

    def locate(self, path: Sequence[str | int], *, key: bool = False) -> Location:
        """Where `path` stands: its value, or with `key` the key it is written under.

        Steps of the path that the document does not have (a missing key, the tag of a union) are passed over, so
        that the nearest thing that was written is named.
        """
        if self.places is None:
            return Location(self.file)
        number = 0
        for _, written, value in self.places.way(path):
            number = written if key else value
        return Location(self.file, *self.places.at(number))

    def rename(self, path: Sequence[str | int], key: str) -> None:
        """From now on find what stands at `path` under another key, at the same place."""
        if self.places is not None:
            self.places.rename(path, key)

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
        composed = compose(text, shown)
        if composed.is_empty:
            raise SpecError([Finding(f"the file is empty; {needs}", Location(shown))])
        if composed.findings:
            raise SpecError(composed.findings)
        return Document(shown, composed.data, composed.places)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = Location(shown, mark.line + 1, mark.column + 1) if mark else Location(shown)
        raise SpecError([Finding(f"not valid YAML: {error.problem or error.context}", at)]) from None
    except yaml.YAMLError as error:
        raise SpecError([Finding(f"not valid YAML: {' '.join(str(error).split())}", Location(shown))]) from None
    except UnicodeEncodeError:
        raise SpecError([Finding("not Unicode text: it has half a surrogate pair", Location(shown))]) from None


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
    from runner.spec.mend import mended  # nobody waits for it whose file is right

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
    from runner.spec.mend import resembled

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


def _written(document: Document, path: Sequence[str | int]) -> list[str | int]:
    """The parts of a validation path that stand in the document: without the tags of unions."""
    return [] if document.places is None else [part for part, *_ in document.places.way(path)]


def _show(value: Any) -> str:
    text = (
        repr(value) if not isinstance(value, dict | list) else f"a {'mapping' if isinstance(value, dict) else 'list'}"
    )
    return text if len(text) <= 60 else text[:57] + "..."
