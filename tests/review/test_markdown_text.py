"""Whatever somebody wrote shows as it is, and is never markup."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from review.markdown_text import code, details, fenced, prose, table

READER = MarkdownIt("commonmark").enable("table")
HOSTILE = "`*_{}[]()<>#+-.!|~$&@:/\\ \"'=1aw0"
TEXTS = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z"))), st.text(HOSTILE, min_size=1)
).map(str.strip)


def _tokens(text: str) -> Iterator[Token]:
    for token in READER.parse(text):
        yield token
        yield from token.children or ()


def _kinds(text: str) -> set[str]:
    return {token.type for token in _tokens(text)}


def _shown(text: str) -> str:
    """What a reader sees, without the character that has no width."""
    shown = "".join(
        token.content for token in _tokens(text) if token.type in ("text", "code_inline", "text_special")
    )
    return shown.replace("\N{WORD JOINER}", "")


@given(TEXTS.filter(bool))
def test_a_code_span_shows_its_text_and_is_nothing_else(text: str) -> None:
    assert _kinds(f"see {code(text)} here") == {
        "paragraph_open",
        "inline",
        "text",
        "code_inline",
        "paragraph_close",
    }
    assert _shown(f"see {code(text)} here") == f"see {text} here"


@given(TEXTS.filter(bool))
def test_prose_shows_its_text_and_is_nothing_else(text: str) -> None:
    assert _kinds(f"- {prose(text)}") <= {
        "bullet_list_open",
        "list_item_open",
        "paragraph_open",
        "inline",
        "text",
        "paragraph_close",
        "list_item_close",
        "bullet_list_close",
    }
    assert _shown(f"- {prose(text)}") == text


@given(TEXTS.filter(bool))
def test_a_cell_holds_its_text_and_is_one_cell(text: str) -> None:
    rows = table(("one", "two"), [(code(text), prose(text))])
    cells = [token for token in READER.parse("\n".join(rows)) if token.type == "td_open"]
    assert len(cells) == 2
    assert _shown("\n".join(rows)) == f"onetwo{text}{text}"


@given(st.lists(TEXTS))
def test_a_block_of_code_ends_where_its_lines_end(lines: list[str]) -> None:
    found = READER.parse("\n".join([*fenced(lines, "diff"), "after"]))
    assert [token.type for token in found] == ["fence", "paragraph_open", "inline", "paragraph_close"]
    assert found[0].content == "".join(f"{line}\n" for line in lines)


@pytest.mark.parametrize(
    "text",
    ["@everyone", "#12", "!12", "https://example.com", "www.example.com", "group/project#3", "a@example.com"],
)
def test_what_platforms_look_for_in_prose_is_parted(text: str) -> None:
    assert text not in prose(text).replace("\\", "")


def test_a_folded_summary_is_text() -> None:
    assert details("a <b> & c", ["inside"])[1] == "<summary>a &lt;b&gt; &amp; c</summary>"
