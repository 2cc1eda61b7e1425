"""What the house is counted and drawn by: circles, what follows from the rest, and what stands twice are found."""

from __future__ import annotations

import pytest

from docs.house import Module, circles, graph, imports, reached, reduced
from docs.write_figures import PAGE, SAME, between, figures, picture, repeated


def house(**texts: str) -> dict[str, Module]:
    return {name: Module(name, text) for name, text in texts.items()}


def test_the_picture_in_the_architecture_is_that_of_the_imports():
    assert picture() in PAGE.read_text(), "rooms import each other otherwise now: make figures WRITE=1"


def test_an_import_is_known_with_when_it_is_made_and_what_for():
    text = "import a\nif TYPE_CHECKING:\n    from b import c\ndef f():\n    import d\n"
    told = [(one.of, one.for_types, one.later) for one in imports(house(x=text))]
    assert told == [("a", False, False), ("b", True, False), ("d", False, True)]


def test_a_relative_import_is_refused():
    with pytest.raises(ValueError, match="runner:1 imports relatively"):
        list(imports(house(runner="from . import a")))


def test_a_circle_is_found_however_long_it_is():
    assert circles(graph([("a", "b"), ("b", "c"), ("c", "a"), ("c", "d")])) == [("a", "b", "c")]
    assert circles(graph([("a", "b"), ("a", "c"), ("b", "c")])) == []


def test_what_follows_from_the_rest_is_not_drawn():
    whole = graph([("a", "b"), ("b", "c"), ("a", "c")])
    assert reached(whole, "a") == {"b", "c"}
    assert reduced(whole) == {("a", "b"), ("b", "c")}


def test_what_stands_twice_is_counted_once_for_each_place():
    run = "\n".join(f"a{number} = {number}" for number in range(SAME + 2))
    assert repeated(house(x=run, y=f"b = 1\n{run}\nc = 2")) == 2
    assert repeated(house(x=run, y=run.replace("a0 ", "b ").replace("a3 ", "c "))) == 0


def test_what_is_imported_is_nothing_that_stands_twice():
    same = "from a import (\n" + "".join(f"    b{number},\n" for number in range(SAME)) + ")\n"
    assert repeated(house(x=same, y=same)) == 0


def test_figures_name_the_largest():
    told = figures(house(x="def f():\n    return 1\n", y="def g():\n    a = 1\n\n    return a\n"))
    assert told["lines of a module: median, most"] == "2, 3 (`y`)"
    assert told["lines of a function: median, most"] == "3, 4 (`y.g`)"


def test_a_page_without_a_place_is_refused():
    with pytest.raises(ValueError, match="not one place for rooms, but 0"):
        between("# A page", "rooms", "")
