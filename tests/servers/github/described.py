"""The host's REST API as it is published: which operation a request is, whether request and answer fit it, and how an
answer looks that has all it must have. What neither request nor answer may have is as wrong as what they lack.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Final
from urllib.parse import unquote

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import best_match

from .fetch import KEPT

Json = dict[str, Any]
Told = Mapping[str, Any]

REFUSALS: Final = {400, 401, 403, 404, 406, 409, 410, 422, 429, 500, 502, 503, 504}
"""The host answers with these anywhere, and does not list them everywhere."""

FORMATS: Final = FormatChecker(formats=())
UNKNOWN: Final = object()


@FORMATS.checks("date-time")
def is_time(value: object) -> bool:
    return not isinstance(value, str) or bool(
        re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", value)
    )


@FORMATS.checks("uri")
def is_address(value: object) -> bool:
    return not isinstance(value, str) or bool(re.match(r"[a-z]+://[^\s]+$", value))


@cache
def described() -> Description:
    """The description that set-up fetched, read once in a process."""
    path = KEPT / "api.github.com.json"
    assert path.exists(), f"{path} is missing: `make setup` fetches it"
    return Description(mended(json.loads(path.read_bytes())))


def mended(told: Json) -> Json:
    """What it forgets: a fork that was deleted is null. https://github.com/github/rest-api-description/issues/1811"""
    schemas = told["components"]["schemas"]
    ends = [schemas[name]["properties"]["head"]["properties"] for name in ("pull-request", "pull-request-simple")]
    for end, name in [*((end, "repo") for end in ends), (schemas["workflow-run"]["properties"], "head_repository")]:
        end[name] = {"allOf": [end[name]], "nullable": True}
    return told


class Description:
    """An OpenAPI 3.0 document."""

    def __init__(self, told: Json) -> None:
        self.told = told
        self._operations: dict[tuple[str, str], Operation] = {}

    def operation(self, method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
        """What a request asks for, and the parameters in its path; the template that says more of it wins."""
        parts = path.strip("/").split("/")
        found = [
            (sum(not piece.startswith("{") for piece in pieces), template, given)
            for template, pieces in self._templates[method.lower()]
            if len(pieces) <= len(parts)
            and pieces[0] == parts[0]
            and (given := self._fitted(template, method.lower(), pieces, parts)) is not None
        ]
        if not found:
            return None
        _, template, given = max(found, key=lambda one: one[0])
        key = (method.lower(), template)
        if key not in self._operations:
            self._operations[key] = Operation(self, *key)
        return self._operations[key], given

    @cached_property
    def _templates(self) -> Mapping[str, list[tuple[str, list[str]]]]:
        """The paths by their methods, each with its pieces."""
        found: dict[str, list[tuple[str, list[str]]]] = defaultdict(list)
        for template, methods in self.told["paths"].items():
            for method in methods:
                found[method].append((template, template.strip("/").split("/")))
        return found

    def _fitted(self, template: str, method: str, pieces: list[str], parts: list[str]) -> dict[str, str] | None:
        if (
            len(parts) > len(pieces)
            and pieces[-1].startswith("{")
            and self._is_long(template, method, pieces[-1][1:-1])
        ):
            parts = [*parts[: len(pieces) - 1], "/".join(parts[len(pieces) - 1 :])]
        if len(parts) != len(pieces):
            return None
        given = {}
        for piece, part in zip(pieces, parts, strict=True):
            if piece.startswith("{") and part:
                given[piece[1:-1]] = unquote(part)
            elif piece != part:
                return None
        return given

    def _is_long(self, template: str, method: str, name: str) -> bool:
        """Whether a parameter may have slashes in it."""
        told = map(self.resolved, self.told["paths"][template][method].get("parameters", []))
        return any(one["name"] == name and one.get("x-multi-segment") for one in told)

    def resolved(self, told: Told) -> Told:
        """What a reference leads to."""
        while "$ref" in told:
            found: Any = self.told
            for key in told["$ref"].removeprefix("#/").split("/"):
                found = found[key]
            told = found
        return told

    # -- schemas ------------------------------------------------------------------------------------------------------

    def wrong(self, schema: Told, value: object) -> str:
        """The most telling thing that is wrong with a value, and where; empty where it fits."""
        error = best_match(self._validator(json.dumps(schema)).iter_errors(value))
        if error is None:
            return ""
        return f"{error.json_path}: {error.message if len(error.message) < 500 else error.message[:500] + '…'}"

    @cache  # noqa: B019 - there is one description
    def _validator(self, schema: str) -> Draft202012Validator:
        needed: dict[str, Any] = {}
        root = self._translated(json.loads(schema), needed)
        return Draft202012Validator({**root, "$defs": needed}, format_checker=FORMATS)

    def _translated(self, told: Told, needed: dict[str, Any]) -> Json:
        """OpenAPI 3.0 as JSON Schema. An object that lists its properties has no others."""
        if "$ref" in told:
            name = told["$ref"].rpartition("/")[2]
            if name not in needed:
                needed[name] = {}
                needed[name].update(self._translated(self.resolved(told), needed))
            return {"$ref": f"#/$defs/{name}"}
        made: Json = {key: value for key, value in told.items() if key in KEYWORDS}
        for key in ("allOf", "anyOf", "oneOf"):
            if key in told:
                made[key] = [self._translated(one, needed) for one in told[key]]
        if "items" in told:
            made["items"] = self._translated(told["items"], needed)
        if isinstance(told.get("additionalProperties"), Mapping):
            made["additionalProperties"] = self._translated(told["additionalProperties"], needed)
        if "properties" in told:
            made["properties"] = {name: self._translated(one, needed) for name, one in told["properties"].items()}
            if not {"allOf", "anyOf", "oneOf", "additionalProperties"} & told.keys():
                made["additionalProperties"] = False
        return {"anyOf": [{"type": "null"}, made]} if told.get("nullable") else made

    def whole(self, schema: Told, given: Any = UNKNOWN) -> Any:
        """What is given, with all that a schema requires beside it, made up by its type."""
        schema = self._chosen(self.resolved(schema), given)
        if given is None or (given is UNKNOWN and schema.get("nullable")):
            return None
        properties = schema.get("properties", {})
        if properties and (given is UNKNOWN or isinstance(given, Mapping)):
            known: Told = {} if given is UNKNOWN else given
            named = [name for name in properties if name in known or name in schema.get("required", ())]
            made = {name: self.whole(properties[name], known.get(name, UNKNOWN)) for name in named}
            return {**known, **made}
        if isinstance(given, Sequence) and not isinstance(given, str) and "items" in schema:
            return [self.whole(schema["items"], one) for one in given]
        return made_up(schema) if given is UNKNOWN else given

    def _chosen(self, schema: Told, given: Any) -> Told:
        """One of those that a schema lets choose: the first that knows all that is given."""
        for key in ("oneOf", "anyOf", "allOf"):
            if key in schema and "properties" not in schema:
                choices = [self.resolved(one) for one in schema[key]]
                names = given.keys() if isinstance(given, Mapping) else set()
                chosen = next((one for one in choices if names <= one.get("properties", {}).keys()), choices[0])
                return {**chosen, "nullable": schema.get("nullable", chosen.get("nullable", False))}
        return schema


KEYWORDS: Final = {
    *("type", "enum", "required", "pattern", "format", "additionalProperties"),
    *("minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum", "uniqueItems"),
}
MADE_UP: Final = {"string": "", "integer": 1, "number": 1, "boolean": False, "array": [], "object": {}}


def made_up(schema: Told) -> Any:
    """A value of a schema's type, for whatever our state knows nothing of."""
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("format") == "date-time":
        return "2026-01-02T03:04:05Z"
    if schema.get("format") == "uri":
        return "https://github.example/made-up"
    value = MADE_UP[schema.get("type", "object")]
    return value if schema.get("type") != "string" or not schema.get("minLength") else "x" * schema["minLength"]


@dataclass(eq=False)
class Operation:
    """One operation of the API."""

    description: Description
    method: str
    template: str

    @property
    def told(self) -> Told:
        found: Told = self.description.told["paths"][self.template][self.method]
        return found

    @property
    def id(self) -> str:
        """Such as `pulls/create-review`."""
        return str(self.told["operationId"])

    def wrong_in(self, path: Mapping[str, str], query: Mapping[str, str], body: Any) -> Iterator[str]:
        """What of a request does not fit; `body` is UNKNOWN where there is none."""
        told = [self.description.resolved(one) for one in self.told.get("parameters", [])]
        shared = self.description.told["paths"][self.template].get("parameters", [])
        told += [self.description.resolved(one) for one in shared]
        for where, given in (("path", path), ("query", query)):
            known = {one["name"]: one for one in told if one["in"] == where}
            yield from (f"{name} is no parameter of the {where}" for name in given.keys() - known.keys())
            for name, one in known.items():
                if name in given and (wrong := self.description.wrong(one["schema"], typed(given[name], one))):
                    yield f"{name} in the {where}: {wrong}"
                elif name not in given and one.get("required"):
                    yield f"{name} is missing in the {where}"
        yield from self._wrong_in_body(body)

    def _wrong_in_body(self, body: Any) -> Iterator[str]:
        told = self.description.resolved(self.told.get("requestBody", {}))
        if not told:
            if body is not UNKNOWN:
                yield "it takes no body"
        elif body is UNKNOWN:
            if told.get("required"):
                yield "its body is missing"
        elif wrong := self.description.wrong(told["content"]["application/json"]["schema"], body):
            yield f"its body, {wrong}"

    def answer_schema(self, status: int) -> Told | None:
        """What the body of an answer is like; None where it has none. Raises LookupError for a status that is none."""
        responses = self.told["responses"]
        if str(status) not in responses and status in REFUSALS:
            return {"$ref": "#/components/schemas/basic-error"}
        content = self.description.resolved(responses[str(status)]).get("content", {})
        found: Told | None = content.get("application/json", {}).get("schema")
        return found

    def whole(self, status: int, body: Any) -> Any:
        """An answer with all that it must have."""
        schema = self.answer_schema(status)
        return body if schema is None or status >= 400 else self.description.whole(schema, body)

    def wrong_answer(self, status: int, body: Any) -> str:
        """What of an answer does not fit; empty where nothing is wrong. `body` is UNKNOWN where there is none."""
        try:
            schema = self.answer_schema(status)
        except LookupError:
            return f"{status} is no status of it"
        if schema is None or body is UNKNOWN:
            return "" if schema is None and body is UNKNOWN else "it has a body, or none, against the description"
        return self.description.wrong(schema, body)


def typed(value: str, parameter: Told) -> Any:
    """A parameter as the type that it should have, as far as it can be read so."""
    kind = parameter["schema"].get("type")
    if kind == "integer" and re.fullmatch(r"-?\d+", value):
        return int(value)
    if kind == "boolean" and value in ("true", "false"):
        return value == "true"
    return value
