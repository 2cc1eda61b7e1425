"""The tools of a file, by the name that agents are given them under: what a model is told of each, and what the run
needs to know to offer it. How they work is in `runner.agents.tools`.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from runner.errors import TemplateProblem
from runner.plan import executors, servers
from runner.plan.catalogue import LANGUAGE_TOOLS, TOOLS
from runner.plan.fingerprint import text_digest
from runner.plan.templates import references
from runner.records import dataclass
from runner.spec import models as spec
from runner.spec.nearest import nearest

if TYPE_CHECKING:
    from runner.plan.catalogue import ToolSpec
    from runner.plan.problems import Place

CONFIRMED: Final = frozenset({"python_exec"})
"""Tools that are refused unless `guardrails.allow_tools` names them."""

READ_ONLY: Final = frozenset(
    {"calculator", "current_time", "file_read", "head", "tail", "grep", "search", "spec_verify"}
)
"""Built-in tools that change nothing and reach nobody: what a model was told cannot leave by them."""

_SHELL: Final = re.compile(r"\$\{([A-Za-z_]\w*)\}")
"""How files of other tools name a secret in a header: `${TOKEN}` for `{{ secrets.TOKEN }}`."""

ALL_EXECUTORS: Final = "http_executors"
"""In the place of a tool's name: all that are declared."""

_CALLABLE: Final = re.compile(r"strands_tools[.:](\w+)(?:[.:]\w+)?")
"""How files of other tools name what is built in here; nothing else can be called from a file."""


@dataclass(frozen=True)
class BuiltIn:
    """One of the catalogue's tools."""

    spec: ToolSpec

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def uses_network(self) -> bool:
        return self.spec.uses_network

    def canonical(self) -> str:
        return self.spec.canonical()

    def told(self) -> dict[str, Any]:
        return {"description": self.spec.description, "parameters": text_digest(_json(self.spec.parameters))}


@dataclass(frozen=True)
class HttpTool:
    """Requests to one origin. `headers` are templates over `secrets` and go to that origin only."""

    name: str
    base_url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 30.0
    description: str | None = None
    examples: tuple[Any, ...] = ()
    endpoints: tuple[tuple[str, str, str | None], ...] = ()
    """Path, description, method."""
    response_format: str | None = None
    authentication_info: str | None = None
    allow_private: bool = False
    uses_network = True

    @property
    def told_as(self) -> str:
        return executors.model_name(self.name)

    def canonical(self) -> str:
        """Everything but the headers' values, which may be secrets and are nothing that a model is told."""
        return _json(
            self.name, self.base_url, sorted(self.headers), self.description, self.examples, self.endpoints,
            self.response_format, self.authentication_info,
        )  # fmt: skip

    def told(self) -> dict[str, Any]:
        texts = {
            "base_url": self.base_url,
            "headers": sorted(self.headers),
            "description": self.description,
            "response_format": self.response_format,
            "authentication_info": self.authentication_info,
        }
        lists = {"examples": self.examples, "endpoints": self.endpoints}
        return {**texts, **{name: text_digest(_json(*one)) for name, one in lists.items() if one}}


@dataclass(frozen=True)
class McpServer:
    """A server of tools: a command to start, or a URL. `args`, `env` and `headers` are templates over `secrets`."""

    name: str
    command: str | None = None
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    url: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 30.0

    @property
    def uses_network(self) -> bool:
        """A command does not where it may not: it has no sockets then."""
        return self.url is not None

    def canonical(self) -> str:
        return _json(self.name, self.command, self.args, sorted(self.env), self.url, sorted(self.headers))

    def told(self) -> dict[str, Any]:
        return {
            "command": self.command,
            "args": [*self.args],
            "env": sorted(self.env),
            "url": self.url,
            "headers": sorted(self.headers),
        }

    def templates(self) -> tuple[str, ...]:
        return (*self.args, *self.env.values(), *self.headers.values())

    def filled(self, fill: Callable[[str], str]) -> McpServer:
        """The same with every template rendered: to be started, not to be shown."""
        return replace(
            self,
            args=tuple(fill(one) for one in self.args),
            env={name: fill(value) for name, value in self.env.items()},
            headers={name: fill(value) for name, value in self.headers.items()},
        )


@dataclass(frozen=True)
class SkillBook:
    """The tool `Skill`: instructions by id, read before the run, that a model asks for when it needs them."""

    skills: tuple[SkillText, ...]
    name = "Skill"
    uses_network = False

    def canonical(self) -> str:
        return _json(*((one.id, one.description, one.preload, one.text) for one in self.skills))

    def told(self) -> dict[str, Any]:
        return {one.id: text_digest(_json(one.description, one.preload, one.text)) for one in self.skills}


@dataclass(frozen=True)
class SkillText:
    """One skill. Its description stands in the system prompt when it is `preload`ed."""

    id: str
    description: str
    text: str
    preload: bool = True


ToolRecipe: TypeAlias = BuiltIn | HttpTool | McpServer | SkillBook
"""Each has a `canonical` text, for hashing, and what is `told` of it by parts, for whoever asks which of them changed:
short texts as they are, long ones as a digest."""


def only_reads(recipe: ToolRecipe) -> bool:
    """Whether a tool may be given to agents that work for a stranger."""
    return isinstance(recipe, SkillBook) or (isinstance(recipe, BuiltIn) and recipe.name in READ_ONLY)


class Tooling:
    """The tools that one file declares, and whether an agent may have them."""

    def __init__(self, source: spec.Spec, find: Callable[..., None], skills: Sequence[SkillText] = ()) -> None:
        self._find = find
        tools = source.tools or spec.Tools()
        guardrails = (source.security.guardrails if source.security else None) or spec.Guardrails()
        self.denied = bool(guardrails.deny_network)
        self._allowed = guardrails.allow_tools
        self._declared: dict[str, ToolRecipe] = {}
        self._secrets = [one.called for one in (source.env.secrets if source.env else ())]
        for index, executor in enumerate(tools.http_executors):
            self._check_executor(executor, ("tools", "http_executors", index))
            self._check_secrets("headers", executor.headers, ("tools", "http_executors", index))
            self._declare(_http_tool(executor), ("tools", "http_executors", index, "id"))
        for index, server in enumerate(tools.mcp):
            for key in ("env", "headers"):
                self._check_secrets(key, getattr(server, key), ("tools", "mcp", index))
            self._check_secrets("args", dict(enumerate(server.args)), ("tools", "mcp", index))
            self._declare(_mcp_server(server), ("tools", "mcp", index, "id"))
            for problem, place in servers.problems(server, source.inputs):
                find(problem, ("tools", "mcp", index, *place))
        if skills:
            self._declared["Skill"] = SkillBook(tuple(skills))
        self._python = list(self._built_in(tools))
        policy = source.context_policy
        retrieval = (policy.retrieval if policy else None) or spec.Retrieval()
        self._for_all = [*retrieval.jit_tools, *retrieval.mcp_servers, *(["Skill"] if skills else [])]
        self._check_retrieval(retrieval)
        self._check_allowed()

    def of(self, names: Sequence[str] | None, find: Callable[..., None]) -> dict[str, ToolRecipe]:
        """The tools of one agent by name: those named, or without names all that are declared but MCP servers; and
        those that every agent has. `find` notes something wrong with them, or with the one of an index."""
        found: dict[str, ToolRecipe] = {}
        if names is None:
            everything = [*self._python, *(one for one in self._declared.values() if not isinstance(one, McpServer))]
            found |= {one.name: one for one in everything}
        for index, name in enumerate(names or ()):
            recipe = self.named(name)
            if recipe is None and name == ALL_EXECUTORS and (declared := self._executors()):
                found |= {one.name: one for one in declared}
                continue
            if recipe is None:
                find(self.unknown(name), index)
            else:
                found[recipe.name] = recipe
        found |= {one.name: one for name in self._for_all if (one := self.named(name))}
        for name, recipe in found.items():
            if problem := self._forbidden(recipe):
                find(problem, *[index for index, one in enumerate(names or ()) if normal(one) == name][:1])
        return found

    def named(self, name: str) -> ToolRecipe | None:
        name = normal(name)
        return self._declared.get(name) or (BuiltIn(TOOLS[name]) if name in TOOLS else None)

    def unknown(self, name: str) -> str:
        """What to say of a name that is no tool."""
        if name == "Skill":
            return "the tool 'Skill' needs skills; declare them under 'skills'"
        if name == ALL_EXECUTORS and not self._executors():
            return f"'{name}' in a tool's place is all that tools.http_executors declares, and it declares none"
        if normal(name) in LANGUAGE_TOOLS:
            return f"tool '{name}' is not offered in this version; it has: {', '.join(sorted(TOOLS))}"
        return f"unknown tool '{name}'; {nearest(name, [*TOOLS, *self._declared])}"

    def _executors(self) -> list[HttpTool]:
        return [one for one in self._declared.values() if isinstance(one, HttpTool)]

    def _declare(self, recipe: ToolRecipe, place: Place) -> None:
        if recipe.name in self._declared or recipe.name in TOOLS or recipe.name == "Skill":
            self._find(f"two tools are called '{recipe.name}'; an agent could not say which it has", place)
        self._declared[recipe.name] = recipe

    def _check_secrets(self, key: str, texts: Mapping[Any, str], place: Place) -> None:
        """Every secret that a tool is given is declared; a template that cannot be read is told of elsewhere."""
        for name, text in texts.items():
            with contextlib.suppress(TemplateProblem):
                asked = {part for root, part in references(_template(text)).parts if root == "secrets"}
                for secret in sorted(str(one) for one in asked if one not in self._secrets):
                    told = f"secret '{secret}' is not declared under env.secrets; {nearest(secret, self._secrets)}"
                    self._find(told, (*place, key, name))

    def _check_executor(self, executor: spec.HttpExecutor, place: Place) -> None:
        for problem, where in executors.problems(executor):
            self._find(problem, (*place, *where))
        told_as = executors.model_name(executor.id)
        others = [*TOOLS, "Skill", *(one.name for one in self._executors())]
        for other in others:
            if other != executor.id and executors.model_name(other) == told_as:
                told = f"tools '{other}' and '{executor.id}' are both '{told_as}' to a model"
                self._find(f"{told}; call one of them otherwise", (*place, "id"))

    def _built_in(self, tools: spec.Tools) -> Iterator[ToolRecipe]:
        for index, tool in enumerate(tools.python):
            name = tool if isinstance(tool, str) else tool.callable
            if recipe := self.named(name):
                yield recipe
            elif isinstance(tool, str):
                self._find(self.unknown(name), ("tools", "python", index))
            else:
                offered = f"only what is built in can be: {', '.join(sorted(TOOLS))}"
                self._find(f"'{name}' is not offered as a callable; {offered}", ("tools", "python", index))

    def _check_retrieval(self, retrieval: spec.Retrieval) -> None:
        place: Place = ("context_policy", "retrieval")
        for index, name in enumerate(retrieval.jit_tools):
            if not isinstance(self.named(name), BuiltIn):
                self._find(self.unknown(name), (*place, "jit_tools", index))
        known = [name for name, one in self._declared.items() if isinstance(one, McpServer)]
        for index, name in enumerate(retrieval.mcp_servers):
            if name not in known:
                self._find(f"unknown MCP server '{name}'; {nearest(name, known)}", (*place, "mcp_servers", index))

    def _check_allowed(self) -> None:
        for index, name in enumerate(self._allowed or ()):
            if self.named(name) is None:
                self._find(self.unknown(name), ("security", "guardrails", "allow_tools", index))

    def _forbidden(self, recipe: ToolRecipe) -> str | None:
        allowed = None if self._allowed is None else {normal(name) for name in self._allowed}
        if allowed is not None and recipe.name not in allowed:
            return f"tool '{recipe.name}' is not one of guardrails.allow_tools"
        if recipe.name in CONFIRMED and allowed is None:
            return f"tool '{recipe.name}' needs to be named in security.guardrails.allow_tools"
        if self.denied and recipe.uses_network:
            return f"tool '{recipe.name}' may use the network, which guardrails.deny_network forbids"
        return None


def normal(name: str) -> str:
    """A tool's name in this language, also where it is written as other tools call it: `strands_tools.file_read`."""
    found = _CALLABLE.fullmatch(name)
    return found.group(1) if found else name


def _http_tool(one: spec.HttpExecutor) -> HttpTool:
    return HttpTool(
        name=one.id,
        base_url=one.base_url,
        headers=_templates(one.headers),
        timeout_s=(one.timeout_ms or 30_000) / 1000,
        description=one.description,
        examples=tuple(one.examples),
        endpoints=tuple((end.path, end.description, end.method) for end in one.common_endpoints),
        response_format=one.response_format,
        authentication_info=one.authentication_info,
        allow_private=one.allow_private,
    )


def _mcp_server(one: spec.McpServer) -> McpServer:
    return McpServer(
        one.id,
        one.command,
        tuple(_template(arg) for arg in one.args),
        _templates(one.env),
        one.url,
        _templates(one.headers),
        one.timeout_s or McpServer.timeout_s,
    )


def _template(text: str) -> str:
    return _SHELL.sub(r"{{ secrets.\1 }}", text)


def _templates(texts: Mapping[str, str]) -> dict[str, str]:
    return {name: _template(text) for name, text in texts.items()}


def _json(*parts: Any) -> str:
    return json.dumps(parts, sort_keys=True, default=list)
