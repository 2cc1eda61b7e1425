"""The tool `calculator`: arithmetic read from the syntax tree, and bounded in size."""

from __future__ import annotations

import ast
import operator
from typing import TYPE_CHECKING, Any, Final

from runner.agents.tools.tool import ToolProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runner.agents.tools.bench import Bench
    from runner.agents.tools.tool import Run

MAX_EXPRESSION: Final = 500
MAX_DIGITS: Final = 2_000

_BINARY: Final[Mapping[type, Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_UNARY: Final[Mapping[type, Callable[[Any], Any]]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}


def calculate(expression: str) -> str:
    """The value of an arithmetic expression. Raises ValueError for anything else."""
    if len(expression) > MAX_EXPRESSION:
        raise ValueError(f"the expression is longer than {MAX_EXPRESSION} characters")
    try:
        return str(_value(ast.parse(expression.strip(), mode="eval").body))
    except (SyntaxError, ArithmeticError, RecursionError, MemoryError) as error:
        raise ValueError(f"cannot calculate {expression!r}: {error}") from None


def _value(node: ast.expr) -> int | float:
    match node:
        case ast.Constant(value=bool()):
            raise ValueError("only numbers can be calculated with")
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.UnaryOp(op, operand) if type(op) in _UNARY:
            return _UNARY[type(op)](_value(operand))  # type: ignore[no-any-return]
        case ast.BinOp(left, op, right) if type(op) in _BINARY:
            return _checked(type(op), _value(left), _value(right))
    raise ValueError("only numbers, + - * / // % ** and parentheses can be used")


def _checked(op: type, left: float, right: float) -> int | float:
    if op is ast.Pow and abs(right) * max(1, len(str(abs(left)))) > MAX_DIGITS:
        raise ValueError("the power is too large")
    value = _BINARY[op](left, right)
    if isinstance(value, complex):
        raise ValueError("the result is not a real number")
    if isinstance(value, int) and value.bit_length() > 4 * MAX_DIGITS:
        raise ValueError("the result is too large")
    return value  # type: ignore[no-any-return]


def _calculator(_: Bench) -> Run:
    async def run(given: Mapping[str, Any]) -> str:
        try:
            return calculate(given["expression"])
        except ValueError as error:
            raise ToolProblem(str(error)) from None

    return run


TOOLS: Final[Mapping[str, Callable[[Bench], Run]]] = {"calculator": _calculator}
