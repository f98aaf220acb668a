"""Sets by column: what a box of packets finds in one, and what it does not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from verifier.element_index import Indexes, divide
from verifier.intervals import Intervals, contains
from verifier.ruleset import Accept, Cell, Drop, Element

ALL: Intervals = ((0, 255),)


def elements(*keys: tuple[Cell, ...]) -> tuple[Element, ...]:
    return tuple(Element(key=key, text=str(key)) for key in keys)


def test_a_point_finds_its_element() -> None:
    rows = elements(((1, 1), (80, 80)), ((2, 2), (80, 89)))
    found = divide(Indexes().index(rows, (0, 1), 0), (((2, 2),), ((85, 85),)))
    assert found.matched == [((((2, 2),), ((85, 85),)), rows[1])]
    assert found.missed == []


def test_what_is_not_covered_is_few_boxes() -> None:
    rows = elements(*(((n, n), (6, 6), (80, 80)) for n in range(0, 100, 2)))
    found = divide(Indexes().index(rows, (0, 1, 2), 0), (ALL, ALL, ALL))
    assert len(found.missed) == 3
    assert [cells[1:] for cells, _ in found.matched] == [(((6, 6),), ((80, 80),))]


def test_elements_of_one_value_are_one_box() -> None:
    rows = (
        Element(key=((1, 1),), value=Drop(), text="1 : drop"),
        Element(key=((2, 2),), value=Accept(), text="2 : accept"),
        Element(key=((3, 3),), value=Drop(), text="3 : drop"),
    )
    found = divide(Indexes().index(rows, (0,), 0), (ALL,))
    assert [(cells, element.value, element.text) for cells, element in found.matched] == [
        ((((1, 1), (3, 3)),), Drop(), "one of 2 elements, such as 1 : drop"),
        ((((2, 2),),), Accept(), "2 : accept"),
    ]


def test_equal_elements_below_a_device_column_are_indexed_once() -> None:
    rows = elements(((1, 1), (80, 80)), ((2, 2), (80, 80)), ((1, 1), (81, 81)))
    indexes = Indexes()
    here, there = indexes.index(rows, (0, 1), 1), indexes.index((rows[0], rows[2]), (0, 1), 1)
    assert here.child(1) is there.child(1)
    assert here.child(2) is not here.child(1)
    assert there.child(2) is None


def test_texts_are_found_by_themselves() -> None:
    rows = elements(("vrf", (1, 1)), ("veth", (2, 2)))
    branch = Indexes().index(rows, (0, 1), 1)
    assert branch.child("vxlan") is None
    assert branch.child("vrf") is not None


cells = st.tuples(st.integers(0, 12), st.integers(0, 4)).map(lambda pair: (pair[0], pair[0] + pair[1]))
keys = st.lists(st.tuples(cells, cells), max_size=8)
points = st.tuples(st.integers(0, 18), st.integers(0, 18))


@given(keys, points)
def test_every_point_is_matched_where_an_element_holds_it_and_missed_elsewhere(
    rows: list[tuple[tuple[int, int], tuple[int, int]]], point: tuple[int, int]
) -> None:
    """Also where cells overlap without being equal."""
    branch = Indexes().index(elements(*rows), (0, 1), 0)
    held = any(all(low <= n <= high for n, (low, high) in zip(point, row, strict=True)) for row in rows)
    found = divide(branch, (((0, 18),), ((0, 18),)))
    matched = [columns for columns, _ in found.matched if _holds(columns, point)]
    missed = [columns for columns in found.missed if _holds(columns, point)]
    assert (len(matched), len(missed)) == ((1, 0) if held else (0, 1))
    alone = divide(branch, tuple(((n, n),) for n in point))
    assert (len(alone.matched), len(alone.missed)) == (len(matched), len(missed))


def _holds(columns: tuple[Intervals, ...], point: tuple[int, int]) -> bool:
    return all(contains(column, n) for column, n in zip(columns, point, strict=True))
