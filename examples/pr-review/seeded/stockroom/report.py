"""Items as text."""

from __future__ import annotations

from stockroom.store import Item


def line(item: Item) -> str:
    """One item, as the label on its shelf has it."""
    return f"{item.sku}  {item.name} ({item.count})"


def report(items: list[Item]) -> str:
    """One item a line."""
    return "\n".join(line(item) for item in items)
