"""What a template looks up, found in its syntax tree."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from jinja2 import meta, nodes

from runner.plan.lookups import Lookups
from runner.plan.sandbox import environment

if TYPE_CHECKING:
    from collections.abc import Iterable

_Guard: TypeAlias = nodes.Test | nodes.Filter
_LookedUp: TypeAlias = nodes.Getattr | nodes.Getitem


def of_tree(tree: nodes.Template) -> Lookups:
    """What a whole template looks up."""
    tracking = meta.TrackingCodeGenerator(environment())
    tracking.optimizer = None  # it would work out what is constant, with no bound, and put it into the tree
    tracking.visit(tree)
    undeclared = frozenset(tracking.undeclared_identifiers - set(environment().globals))
    looked_up: list[_LookedUp] = [*tree.find_all(nodes.Getattr), *tree.find_all(nodes.Getitem)]
    guards: list[_Guard] = [*tree.find_all(nodes.Test), *tree.find_all(nodes.Filter)]
    needed, tested = _guarded({id(node): node.name for node in _loaded(tree)}, guards)
    inputs = {id(node): name for node in looked_up if (name := _input(node))}
    needed_inputs, tested_inputs = _guarded(inputs, guards)
    return Lookups(
        undeclared,
        undeclared & needed,
        tested,
        frozenset(part for part in map(_part, looked_up) if part and part[0] in undeclared),
        frozenset(found for found in map(_below, looked_up) if found and found[0] in undeclared),
        undeclared & _whole(tree, looked_up, guards),
        frozenset(inputs.values()),
        needed_inputs,
        tested_inputs,
    )


def _loaded(tree: nodes.Template) -> Iterable[nodes.Name]:
    return (node for node in tree.find_all(nodes.Name) if node.ctx == "load")


def _guarded(names: dict[int, str], guards: Iterable[_Guard]) -> tuple[frozenset[str], frozenset[str]]:
    """Of names by their nodes those that stand somewhere without a default, and those that are tested."""
    guards = [node for node in guards if id(node.node) in names]
    tested = frozenset(names[id(node.node)] for node in guards if node.name in ("defined", "undefined"))
    defaulted = {id(node.node) for node in guards if node.name == "default"}
    return frozenset(name for key, name in names.items() if key not in defaulted), tested


def _whole(
    tree: nodes.Template,
    looked_up: Iterable[_LookedUp],
    guards: Iterable[_Guard],
) -> frozenset[str]:
    """Names that are used otherwise than by a part of theirs, or asked for whether they are there."""
    every = {id(node): node.name for node in _loaded(tree)}
    for node in looked_up:
        if _part(node) is not None:
            every.pop(id(node.node), None)
    for guard in guards:
        if guard.name in ("defined", "undefined"):
            every.pop(id(guard.node), None)
    return frozenset(every.values())


def _input(node: nodes.Node) -> str | None:
    if not isinstance(node, nodes.Getattr | nodes.Getitem) or _part(node.node) != ("inputs", "values"):
        return None
    found = _below(node)
    return found[2] if found else None


def _part(node: nodes.Node) -> tuple[str, str | int] | None:
    if not isinstance(node, nodes.Getattr | nodes.Getitem) or not isinstance(node.node, nodes.Name):
        return None
    if isinstance(node, nodes.Getattr):
        return node.node.name, node.attr
    key = node.arg
    if isinstance(key, nodes.Neg) and isinstance(key.node, nodes.Const) and isinstance(key.node.value, int):
        return node.node.name, -key.node.value
    if isinstance(key, nodes.Const) and isinstance(key.value, str | int):
        return node.node.name, key.value
    return None


def _below(node: nodes.Node) -> tuple[str, str | int, str] | None:
    """A name, what is looked up in it, and what is looked up in that."""
    inner = _part(node.node) if isinstance(node, nodes.Getattr | nodes.Getitem) else None
    if inner is None:
        return None
    if isinstance(node, nodes.Getattr):
        return *inner, node.attr
    named = node.arg if isinstance(node, nodes.Getitem) else None
    return (*inner, named.value) if isinstance(named, nodes.Const) and isinstance(named.value, str) else None
