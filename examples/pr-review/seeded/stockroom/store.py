"""Items in a SQLite database."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True)
class Item:
    """Something on a shelf."""

    sku: str
    name: str
    count: int


class Store:
    """The items there are; in memory, unless a file is named."""

    def __init__(self, path: str = ":memory:") -> None:
        self._db = sqlite3.connect(path)
        self._db.execute("CREATE TABLE IF NOT EXISTS items (sku TEXT PRIMARY KEY, name TEXT, count INTEGER)")

    def put(self, item: Item) -> None:
        """Add an item, or replace the one with its number."""
        self._db.execute("INSERT OR REPLACE INTO items VALUES (?, ?, ?)", (item.sku, item.name, item.count))
        self._db.commit()

    def all(self) -> list[Item]:
        """Every item, by its number."""
        return [Item(*row) for row in self._db.execute("SELECT sku, name, count FROM items ORDER BY sku")]
