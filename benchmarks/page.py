"""The page that tells what was measured: its words are in `page.md`, its numbers in the JSON beside it and nowhere
else."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from textwrap import fill
from typing import Any, Final

from benchmarks.measure import ROOT
from benchmarks.row import Figure, of_json, table

TEMPLATE: Final = Path(__file__).with_name("page.md")
PAGE: Final = ROOT / "docs/benchmarks.md"
NUMBERS: Final = ROOT / "docs/benchmarks.json"
WHOLE: Final[dict[str, Any]] = {"break_long_words": False, "break_on_hyphens": False}


def page(document: Mapping[str, Any]) -> str:
    """The page of a document that `python -m benchmarks --json` has written."""
    from jinja2 import Environment, StrictUndefined  # not before all is measured: see `benchmarks.measure`

    rows: dict[str, Any] = {one["name"]: of_json(one) for one in document["rows"]}

    def told(name: str, which: str = "figure") -> str:
        figure = getattr(rows[name], which)
        return figure.told if figure else "(not measured)"

    names: dict[str, Any] = {
        "row": rows.__getitem__,
        "told": told,
        "table": lambda *cases: table([row for row in rows.values() if row.case in cases]),
        "limits": lambda: table([row for row in rows.values() if row.limit], counts=False),
        "call": Figure("", (1000 * rows["job-one"].floor.value,), "ms").told.replace(".00", ""),
        "faster_than": lambda name, one: f"{rows[name].figure.value / one.figure.value:.2f}",
        "where": document["environment"],
        "took_s": document["took_s"],
    }
    # Markdown for people, of numbers that we have measured: there is nothing to escape.
    template = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)
    return wrapped(template.from_string(TEMPLATE.read_text()).render(names))


def wrapped(text: str) -> str:
    """Paragraphs filled anew, now that their numbers stand in them; what is no paragraph stays as it is."""
    blocks = re.split(r"\n{2,}", text.strip())
    return "\n\n".join(fill(one, 120, **WHOLE) if one[0].isalpha() else one for one in blocks) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(json.loads(NUMBERS.read_text())))
