"""Jinja as workflows may use it: which statements, methods, filters and tests there are, and the way all of them go.

What a template says is rewritten before it is compiled, so that everything it builds and every round of its loops goes
through `bounds`. What is not listed here does not exist.
"""

from __future__ import annotations

from functools import cache
from math import isfinite
from types import BuiltinMethodType, MethodType
from typing import TYPE_CHECKING, Any, Final

from jinja2 import StrictUndefined, Undefined, nodes, pass_context, pass_environment
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.tests import TESTS
from jinja2.visitor import NodeTransformer

from runner.errors import TemplateProblem
from runner.plan.bounds import (
    MAX_STEPS,
    OFFERED_FILTERS,
    Account,
    check_many,
    check_numbers,
    joined,
    method,
    text,
    too_many_steps,
    weighed,
    written,
)
from runner.plan.pieces import MAX_PARTS
from runner.plan.scope import Answers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from jinja2 import Template

_STATEMENTS: Final = frozenset(
    [
        *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.For, nodes.If, nodes.With),
        *(nodes.Assign, nodes.AssignBlock, nodes.FilterBlock),
    ]
)
_EXPRESSIONS: Final = frozenset(
    [
        *(nodes.Name, nodes.Const, nodes.Tuple, nodes.List, nodes.Dict, nodes.Pair, nodes.Keyword, nodes.CondExpr),
        *(nodes.Filter, nodes.Test, nodes.Call, nodes.Getitem, nodes.Getattr, nodes.Slice, nodes.Concat),
        *(nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Neg, nodes.Pos),
        *(nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Pow),
    ]
)
_WORDS: Final[Mapping[type[nodes.Node], str]] = {
    nodes.FromImport: "from",
    nodes.CallBlock: "call",
    nodes.Scope: "autoescape",
}
"""What some statements are called where it is not the name of their class."""

_METHODS: Final[Mapping[type, frozenset[str]]] = {
    str: frozenset(
        "capitalize casefold count endswith find index isalnum isalpha isascii isdecimal isdigit islower isnumeric "
        "isspace istitle isupper join lower lstrip partition removeprefix removesuffix replace rfind rindex rpartition "
        "rsplit rstrip split splitlines startswith strip swapcase title upper".split()
    ),
    dict: frozenset("get items keys values".split()),
    list: frozenset("count index".split()),
    tuple: frozenset("count index".split()),
    LoopContext: frozenset(
        "changed cycle depth depth0 first index index0 last length nextitem previtem revindex revindex0".split()
    ),
}
"""What can be asked of a value by name, for those that have more than the fields of data."""

_TESTS: Final = (
    "boolean defined divisibleby eq equalto even false float ge greaterthan gt in integer iterable le lessthan lower "
    "lt mapping ne none number odd sequence string true undefined upper".split()
)
_OF_NUMBERS: Final = ("divisibleby", "even", "odd")

# No template can name a filter so.
_TEXT, _WEIGHED, _KEPT, _COUNTED, _CALLED = "~", "[]", "[:]", "for", "()"


def check(tree: nodes.Template) -> int:
    """How many parts a template has. Raises TemplateProblem for what workflows cannot use."""
    count = 0
    for count, node in enumerate(tree.find_all(nodes.Node)):
        if count > MAX_PARTS:
            raise TemplateProblem(f"the template has more than {MAX_PARTS:,} parts")
        if problem := _problem(node):
            where = f" (line {node.lineno} of the template)" if (node.lineno or 1) > 1 else ""
            raise TemplateProblem(problem + where)
    return count


def _problem(node: nodes.Node) -> str | None:
    kind = type(node)
    if kind is nodes.NSRef:
        return "only plain names can be set"
    if kind not in _STATEMENTS and kind not in _EXPRESSIONS:
        return f"templates here have no '{_WORDS.get(kind, kind.__name__.lower())}'"
    if isinstance(node, nodes.For) and node.recursive:
        return "a loop cannot be recursive"
    if isinstance(node, nodes.Call | nodes.Filter | nodes.Test) and (node.dyn_args or node.dyn_kwargs):
        return "arguments are written one by one, not as * or **"
    if isinstance(node, nodes.Name) and node.name == "self":
        return "'self' is no name here"
    if isinstance(node, nodes.Const) and isinstance(node.value, float) and not isfinite(node.value):
        return "the number is too large"  # Jinja would write it as a name that Python does not have
    return None


def compiled(tree: nodes.Template) -> Template:
    """A checked template, ready to be rendered. The tree is used up."""
    bounded = _Rewriting().visit(tree)
    bounded.set_environment(environment())
    return environment().from_string(bounded)


class _Rewriting(NodeTransformer):
    """Puts a filter of ours around what builds something and around what is looped over."""

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _through(_TEXT, nodes.List(node.nodes, lineno=node.lineno))

    def visit_List(self, node: nodes.Expr) -> nodes.Node:  # noqa: N802
        return node if _is_constant(node) else _through(_WEIGHED, self.generic_visit(node))

    visit_Dict = visit_List  # noqa: N815

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:  # noqa: N802
        return self.visit_List(node) if node.ctx == "load" else node

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _through(_KEPT, node) if isinstance(node.arg, nodes.Slice) else node

    def visit_Call(self, node: nodes.Call) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        if isinstance(node.node, nodes.Getattr):
            node.node = _through(_CALLED, node.node.node, nodes.Const(node.node.attr))
        return node

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802
        parts = [len(one.data) // 8 if isinstance(one, nodes.TemplateData) else 0 for one in node.find_all(nodes.Node)]
        self.generic_visit(node)
        node.iter = _through(_COUNTED, node.iter, nodes.Const(len(parts) + sum(parts)))
        return node


def _through(name: str, node: nodes.Node, *args: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(node, name, list(args), [], None, None, lineno=node.lineno)


def _is_constant(node: nodes.Node) -> bool:
    kinds = nodes.Const | nodes.List | nodes.Tuple | nodes.Dict | nodes.Pair | nodes.TemplateData
    return all(isinstance(one, kinds) for one in node.find_all(nodes.Node))


class _Rounds:
    """What a loop goes through: every round counts as many steps as the loop has parts."""

    __slots__ = ("_account", "_over", "_parts")

    def __init__(self, account: Account, over: Iterable[Any], parts: int) -> None:
        self._account, self._over, self._parts = account, over, parts

    def __iter__(self) -> Iterator[Any]:
        account, parts = self._account, self._parts
        for one in self._over:
            account.steps += parts
            if account.steps > MAX_STEPS:
                raise too_many_steps()
            yield one

    def __len__(self) -> int:
        return len(self._over)  # type: ignore[arg-type]  # what has no length says so itself


@pass_context
def _text_of(account: Account, values: list[Any]) -> Any:
    return account.keep(joined(map(text, values)))


@pass_context
def _weighed(account: Account, value: Any) -> Any:
    return account.keep(weighed(value))


@pass_context
def _kept(account: Account, value: Any) -> Any:
    return account.keep(value)


@pass_environment
def _called(environment: _Sandbox, value: Any, name: str) -> Any:
    """What is called is a method: `data.items()` is the pairs, also where a model wrote something it called items."""
    return environment.method_of(value, name)


class _Missing(StrictUndefined):
    """What is not there, in words that name nothing of ours."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        if isinstance(self._undefined_obj, Answers) and self._undefined_hint is None:
            if not isinstance(self._undefined_name, (str, int)):
                return "an answer has a number or a name; a loop over answers gives each of them, and not its name"
            return f"there is no answer {self._undefined_name!r} here"
        return super()._undefined_message


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, narrowed to what is listed, every operator and call of it bounded."""

    intercepted_binops = frozenset(["+", "-", "*", "/", "//", "**", "%"])
    context_class = Account

    def wrap_str_format(self, value: Any) -> None:
        """Nothing is wrapped: so `format` is asked of is_safe_attribute as every other method is."""

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return any(attr in names for kind, names in _METHODS.items() if isinstance(obj, kind))

    def getattr(self, obj: Any, attribute: str) -> Any:
        """What data holds goes before its methods: `data.items` is the items that a model wrote."""
        if isinstance(obj, dict) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)

    def method_of(self, obj: Any, name: str) -> Any:
        return super().getattr(obj, name)

    def call(self, context: Account, obj: Any, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        kwargs = {name: value for name, value in kwargs.items() if name not in ("_loop_vars", "_block_vars")}
        if isinstance(obj, Undefined) or obj is self.globals["range"]:
            return obj(*args, **kwargs)  # type: ignore[operator]
        owner, name = getattr(obj, "__self__", None), getattr(obj, "__name__", "")
        if not isinstance(obj, BuiltinMethodType | MethodType) or not self.is_safe_attribute(owner, name, obj):
            raise TemplateProblem("only methods and range can be called")
        return method(context, owner, name, args, kwargs) if isinstance(owner, str) else obj(*args, **kwargs)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if isinstance(left, int | float) and isinstance(right, int | float):
            check_numbers(operator, left, right)
            return self.binop_table[operator](left, right)
        check_many(operator, left, right)
        found = self.binop_table[operator](left, right)
        if isinstance(found, list | tuple):
            weighed(found)
        return context.keep(found)


def _of_numbers(name: str) -> Callable[..., Any]:
    """Jinja's own takes the remainder of whatever it is given, and for text that is formatting."""

    test: Any = TESTS[name]

    def asked(value: Any, *args: Any) -> Any:
        for one in (value, *args):
            if not isinstance(one, Undefined | int | float):
                raise TemplateProblem(f"only a number can be asked that, and this is a {type(one).__name__}")
        return test(value, *args)

    return asked


@cache
def environment() -> _Sandbox:
    """The one environment of all templates. It does not evaluate what is constant ahead of time: that would be work
    outside of a rendering's account."""
    made = _Sandbox(undefined=_Missing, finalize=written, keep_trailing_newline=True, autoescape=False, optimized=False)
    ours = {_TEXT: _text_of, _WEIGHED: _weighed, _KEPT: _kept, _COUNTED: pass_context(_Rounds), _CALLED: _called}
    made.filters = {**OFFERED_FILTERS, **ours}
    made.tests = {name: TESTS[name] for name in _TESTS} | {name: _of_numbers(name) for name in _OF_NUMBERS}
    made.globals = {"range": made.globals["range"]}
    return made
