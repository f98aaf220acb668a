"""The algebra of intervals: literal cases, and its laws against sets of Python."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from verifier.intervals import Intervals, contains, intersect, only, prefix_interval, subtract, union, within

intervals = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 12)), max_size=14).map(
    lambda pairs: union((first, first + more) for first, more in pairs)
)


def numbers(many: Intervals) -> set[int]:
    return {number for first, last in many for number in range(first, last + 1)}


def test_a_union_joins_what_overlaps_or_touches() -> None:
    assert union([(5, 6), (1, 2), (3, 3), (9, 9)]) == ((1, 3), (5, 6), (9, 9))


def test_what_is_subtracted_leaves_both_sides() -> None:
    assert subtract(((0, 10), (20, 30)), ((3, 4), (10, 22))) == ((0, 2), (5, 9), (23, 30))


def test_one_interval_is_laid_on_many() -> None:
    many = tuple((n * 10, n * 10 + 3) for n in range(100))
    assert intersect(((12, 31),), many) == ((12, 13), (20, 23), (30, 31))


def test_a_prefix_is_an_interval() -> None:
    assert prefix_interval(4, 0x0A010010, 28) == (0x0A010010, 0x0A01001F)
    assert prefix_interval(6, 0, 0) == (0, 2**128 - 1)


def test_a_set_of_one_has_its_number() -> None:
    assert (only(((7, 7),)), only(((7, 8),)), only(((7, 7), (9, 9))), only(())) == (7, None, None, None)


@given(intervals, intervals)
def test_the_algebra_is_that_of_sets(left: Intervals, right: Intervals) -> None:
    assert numbers(intersect(left, right)) == numbers(left) & numbers(right)
    assert numbers(subtract(left, right)) == numbers(left) - numbers(right)
    assert numbers(union((*left, *right))) == numbers(left) | numbers(right)
    assert within(left, right) == (numbers(left) <= numbers(right))


@given(intervals, intervals)
def test_a_set_has_one_spelling(left: Intervals, right: Intervals) -> None:
    for result in (intersect(left, right), subtract(left, right)):
        assert result == union(result)


@given(intervals, st.integers(0, 80))
def test_a_number_is_in_a_set_or_not(many: Intervals, number: int) -> None:
    assert contains(many, number) == (number in numbers(many))
