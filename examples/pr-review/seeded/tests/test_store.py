from stockroom.report import report
from stockroom.store import Item, Store


def test_what_was_put_is_there() -> None:
    store = Store()
    store.put(Item("a1", "Anvil", 3))
    assert store.all() == [Item("a1", "Anvil", 3)]


def test_a_report_has_a_line_for_each_item() -> None:
    assert report([Item("a1", "Anvil", 3), Item("b2", "Bolt", 400)]) == "a1  Anvil (3)\nb2  Bolt (400)"
