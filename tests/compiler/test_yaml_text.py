"""Reading YAML text: values as YAML 1.2 has them, places of all, and refusal of what is hostile."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.yaml_text import MAX_BYTES, MAX_DEPTH, Json, Text, read


def value_of(text: str) -> Json:
    result = read("a.yaml", text.encode())
    assert result.problems == ()
    assert len(result.documents) == 1
    return result.documents[0].value


def refusals(content: bytes | str) -> list[str]:
    """Code and place of each problem, as `ATL104 1:5`."""
    data = content if isinstance(content, bytes) else content.encode()
    return [
        f"{problem.code} {problem.origin.line}:{problem.origin.column}"
        for problem in read("a.yaml", data).problems
        if problem.origin is not None
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("null", None),
        ("~", None),
        ("''", ""),
        ("true", True),
        ("FALSE", False),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("12", 12),
        ("-12", -12),
        ("0755", 755),
        ("0o17", 15),
        ("0x1F", 31),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("12:30", "12:30"),
        ("1_000", "1_000"),
        ("2001-01-01", "2001-01-01"),
        ("10.1.0.0/24", "10.1.0.0/24"),
        ("'12'", "12"),
        ('"true"', "true"),
        ("nullable", "nullable"),
        ("+", "+"),
        (".", "."),
        ("|\n  two\n  lines\n", "two\nlines\n"),
        ('"\\u00e9"', "é"),
        ('"\\ud83d\\ude00"', "😀"),
    ],
)
def test_scalars_follow_the_core_schema_of_yaml_1_2(text: str, value: Json) -> None:
    read_value = value_of(f"x: {text}")
    assert isinstance(read_value, dict)
    assert read_value["x"] == value
    assert type(read_value["x"]) is type(value)


def test_json_is_read_as_it_is() -> None:
    text = '{\n\t"kind": "VirtualNetwork",\n\t"list": [1, true, null, "a\\/b"],\n\t"empty": {}\n}'
    assert value_of(text) == {"kind": "VirtualNetwork", "list": [1, True, None, "a/b"], "empty": {}}


def test_every_value_and_key_has_its_place() -> None:
    document = read("n.yaml", b"# comment\nspec:\n  subnets:\n    - 10.1.0.0/24\n    - x\n").documents[0]
    assert str(document.key_origin(("spec",))) == "n.yaml:2:1"
    assert str(document.value_origin(("spec",))) == "n.yaml:3:3"
    assert str(document.key_origin(("spec", "subnets"))) == "n.yaml:3:3"
    assert str(document.value_origin(("spec", "subnets", 1))) == "n.yaml:5:7"


def test_what_is_absent_has_the_place_of_its_nearest_ancestor() -> None:
    document = read("n.yaml", b"spec:\n  egress: none\n").documents[0]
    assert str(document.value_origin(("spec", "subnets", 3))) == "n.yaml:2:3"
    assert str(document.key_origin(("spec", "subnets"))) == "n.yaml:2:3"


def test_places_count_lines_across_documents() -> None:
    documents = read("n.yaml", b"a: 1\n---\nb: 2\n").documents
    assert [str(document.value_origin(())) for document in documents] == ["n.yaml:1:1", "n.yaml:3:1"]


@pytest.mark.parametrize(
    "content",
    [
        b"a: 1\r\nb:\r\n  - x\r\n",
        b"\xef\xbb\xbfa: 1\nb:\n  - x\n",
        b"%YAML 1.2\n---\na: 1\nb: [x]\n...\n",
    ],
    ids=["crlf", "byte-order mark", "directive of the version that is read"],
)
def test_line_ends_byte_order_mark_and_version_do_not_matter(content: bytes) -> None:
    result = read("a.yaml", content)
    assert result.problems == ()
    assert [document.value for document in result.documents] == [{"a": 1, "b": ["x"]}]


def test_a_byte_order_mark_does_not_move_places() -> None:
    document = read("a.yaml", b"\xef\xbb\xbfa: 1\n").documents[0]
    assert str(document.key_origin(("a",))) == "a.yaml:1:1"


@pytest.mark.parametrize("content", [b"", b"\n\n", b"# only a comment\n"])
def test_a_file_without_content_has_no_documents(content: bytes) -> None:
    assert read("a.yaml", content) == Text(documents=(), problems=(), complete=True)


def test_empty_documents_are_null() -> None:
    assert [document.value for document in read("a.yaml", b"---\n---\na: 1\n---\n").documents] == [
        None,
        {"a": 1},
        None,
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a: \xe9\n", ["ATL102 1:4"]),
        ("a: é\n".encode("utf-16"), ["ATL102 1:1"]),
        (b"ok: 1\na: \x00\n", ["ATL103 2:4"]),
        (b"a: \x1b[31m\n", ["ATL103 1:4"]),
        (b'a: "\\0"\n', ["ATL103 1:4"]),
        (b'a: "\\ud83d"\n', ["ATL103 1:4"]),
        (b"a: [1, 2\nb: 3\n", ["ATL104 2:2"]),
        (b"a:\n\tb: 1\n", ["ATL104 2:1"]),
        (b"a: b: c\n", ["ATL104 1:5"]),
        (b'"\\U99999999"', ["ATL104 0:0"]),
        (b"a: 1\nb: 2\na: 3\n", ["ATL105 3:1"]),
        (b"a: {b: 1, b: 2}\n", ["ATL105 1:11"]),
        (b"a: &x 1\n", ["ATL106 1:4"]),
        (b"a: *x\n", ["ATL106 1:4"]),
        (b"a: !!str 1\n", ["ATL107 1:4"]),
        (b"a: !python/object:os.system []\n", ["ATL107 1:4"]),
        (b"a: !<tag:yaml.org,2002:str> b\n", ["ATL107 1:4"]),
        (b"! a\n", ["ATL107 1:1"]),
        (b"a:\n  <<: {b: 1}\n", ["ATL108 2:3"]),
        (b"1: a\n", ["ATL112 1:1"]),
        (b"true: a\n", ["ATL112 1:1"]),
        (b"? [a]\n: b\n", ["ATL112 1:3"]),
        (b"{a: 1}: b\n", ["ATL112 1:1"]),
        (b"a: .nan\n", ["ATL113 1:4"]),
        (b"a: -.INF\n", ["ATL113 1:4"]),
        (b"a: 9223372036854775808\n", ["ATL113 1:4"]),
        (b"a: 1e999\n", ["ATL113 1:4"]),
        (b"a: " + b"9" * 5000, ["ATL113 1:4"]),
        (b"%YAML 1.1\n---\na: 1\n", ["ATL114 2:1"]),
        (b"%TAG !e! tag:example.com,2000:\n---\na: 1\n", ["ATL114 2:1"]),
    ],
)
def test_what_is_no_plain_value_is_refused_where_it_stands(content: bytes, expected: list[str]) -> None:
    assert refusals(content) == expected


def test_a_quoted_merge_key_is_an_ordinary_key() -> None:
    assert value_of('"<<": 1') == {"<<": 1}


def test_several_refusals_in_one_file_are_all_reported() -> None:
    assert refusals("a: &x 1\nb: *x\nc: 1\nc: 2\n3: d\n") == [
        "ATL106 1:4",
        "ATL106 2:4",
        "ATL105 4:1",
        "ATL112 5:1",
    ]


def test_of_a_key_given_twice_the_first_counts() -> None:
    assert read("a.yaml", b"a: 1\na: {b: 2}\n").documents[0].value == {"a": 1}


def test_nothing_is_concluded_from_a_document_with_a_refused_value() -> None:
    first, second = read("a.yaml", b"a: &x [1]\nb: *x\n---\nc: 1\n").documents
    assert (first.sound, second.sound) == (False, True)


def test_documents_before_a_syntax_error_are_kept() -> None:
    result = read("a.yaml", b"a: 1\n---\nb: [\n")
    assert [document.value for document in result.documents] == [{"a": 1}]
    assert not result.complete


def test_a_syntax_error_is_said_in_plain_words() -> None:
    (problem,) = read("net.yaml", b"spec:\n\tegress: none\n").problems
    assert str(problem) == (
        "net.yaml:2:1: error ATL104: net.yaml: a tab is used to indent. Indent with spaces."
    )


LAUGHS = b"a: &a [x, x, x]\n" + b"".join(
    b"%c: &%c [*%c, *%c, *%c]\n" % (c + 1, c + 1, c, c, c) for c in range(ord("a"), ord("t"))
)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"a: b\n" * 2_500_000, "ATL101"),
        (b"[" * 1_000_000, "ATL109"),
        (b"{a: " * 200_000, "ATL109"),
        (b"- " * 500_000, "ATL109"),
        (b"? " * 500_000, "ATL109"),
        (b"".join(b" " * depth + b"a:\n" for depth in range(1_400)), "ATL109"),
        (b"[" + b"a," * 500_000, "ATL110"),
        (b"--- 1\n" * 100_000, "ATL111"),
        (LAUGHS, "ATL106"),
        (b"!" * 1_000_000, "ATL107"),
    ],
    ids=[
        "12 MB",
        "nested lists",
        "nested mappings",
        "nested dashes",
        "nested keys",
        "nested indents",
        "500,000 values",
        "100,000 documents",
        "billion laughs",
        "a tag of 1 MB",
    ],
)
def test_a_flood_is_refused_by_its_limit(content: bytes, code: str) -> None:
    assert code in {problem.code for problem in read("a.yaml", content).problems}


def test_the_limits_admit_what_they_say() -> None:
    assert read("a.yaml", b"#" * MAX_BYTES).problems == ()
    assert refusals("#" * (MAX_BYTES + 1)) == ["ATL101 0:0"]
    assert read("a.yaml", b"[" * MAX_DEPTH + b"]" * MAX_DEPTH).problems == ()
    assert refusals("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)) == [f"ATL109 1:{MAX_DEPTH + 1}"]
    assert read("a.yaml", b"--- 1\n" * 1_000).problems == ()
    assert refusals("--- 1\n" * 1_001) == ["ATL111 1001:1"]


def test_long_texts_are_cut_in_messages_and_stay_on_one_line() -> None:
    (problem,) = read("a.yaml", b"'" + b"k" * 5_000 + b"\\n': 1\n'" + b"k" * 5_000 + b"\\n': 2\n").problems
    assert len(str(problem)) < 250
    assert "\n" not in str(problem)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_raise(content: bytes) -> None:
    read("a.yaml", content)


YAML_ISH = st.text(alphabet="ab1: -[]{},\n\t'\"\\x#&*!|>%?<.~é\u2028\x85\ufeff", max_size=40)


@settings(deadline=None)
@given(YAML_ISH)
def test_no_text_made_of_yaml_syntax_raises_and_incomplete_means_a_problem(text: str) -> None:
    result = read("a.yaml", text.encode())
    assert result.complete or result.problems
