"""Files that several processes have read say what they say to one."""

from __future__ import annotations

import pytest

from compiler.parse import FileCache, parse
from review.read_ahead import read_ahead
from tests.golden.review_case import REVIEW_CASES, states


@pytest.mark.parametrize("name", REVIEW_CASES)
def test_a_parse_of_what_was_read_ahead_gives_the_same(name: str) -> None:
    files = states(name).head.source.files
    alone = parse(files, revision="1")

    ahead = read_ahead(files, processes=3)
    together = parse(files, revision="1", cache=ahead)

    assert (together.declarations, together.problems) == (alone.declarations, alone.problems)
    assert together.cache.files == alone.cache.files
    assert all(together.cache.files[path] is read for path, read in ahead.files.items())


def test_few_files_are_read_by_one_process() -> None:
    assert read_ahead({"red.yaml": b"a: 1\n"}) == FileCache()
