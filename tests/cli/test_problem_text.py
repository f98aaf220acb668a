"""Problems as people read them."""

from __future__ import annotations

from cli.problem_text import Sources, counted, problem_text, summary_text
from compiler.catalogue import found
from compiler.problem import Origin, Problem


def problem(line: int, column: int, *, path: str = "networks/red.yaml", code: str = "ATL401") -> Problem:
    origin = Origin(path=path, line=line, column=column)
    return found(code, origin=origin, subject="VirtualNetwork team-a/red", reason="10.1.0/24 is no range")


def shown(problem: Problem, text: str) -> str:
    return problem_text(problem, Sources({"networks/red.yaml": text.encode()})).plain


def test_the_source_line_is_quoted_with_a_caret_under_the_column() -> None:
    assert shown(problem(2, 5), "subnets:\n  - 10.1.0/24\n") == (
        "networks/red.yaml:2:5: error ATL401: VirtualNetwork team-a/red: 10.1.0/24 is no range\n"
        "   2 |   - 10.1.0/24\n"
        "     |     ^\n"
        "     = Write it as CIDR"
    )


def test_a_problem_of_a_whole_file_quotes_nothing() -> None:
    assert shown(problem(0, 0), "subnets:\n") == (
        "networks/red.yaml: error ATL401: VirtualNetwork team-a/red: 10.1.0/24 is no range\n"
        "     = Write it as CIDR"
    )


def test_a_problem_beyond_the_file_quotes_nothing() -> None:
    assert "|" not in shown(problem(9, 1), "subnets:\n")
    assert "|" not in shown(problem(1, 1, path="elsewhere.yaml"), "subnets:\n")


def test_lines_end_as_yaml_says() -> None:
    assert "   3 | c" in shown(problem(3, 1), "a\r\nb\rc\n")


def test_wide_characters_push_the_caret() -> None:
    lines = shown(problem(1, 4), "网络: x\n").splitlines()

    assert lines[1:3] == ["   1 | 网络: x", "     |      ^"]


def test_a_long_line_is_cut_around_the_column() -> None:
    lines = shown(problem(1, 301), "a" * 300 + "!" + "b" * 300).splitlines()

    assert lines[1] == "   1 | ... " + "a" * 50 + "!" + "b" * 49 + " ..."
    assert lines[2].index("^") == lines[1].index("!")


def test_control_characters_of_the_source_do_not_reach_the_terminal() -> None:
    text = shown(problem(1, 1), "\x1b[2J\ttab\n")

    assert "   1 | \N{REPLACEMENT CHARACTER}[2J tab" in text
    assert "\x1b" not in text


def test_numbers_agree_with_their_nouns() -> None:
    assert [counted(n, "error") for n in (0, 1, 2, 1000)] == [
        "0 errors",
        "1 error",
        "2 errors",
        "1,000 errors",
    ]


def test_the_summary_counts_errors_and_warnings() -> None:
    assert summary_text([problem(1, 1), problem(1, 1, code="ATL302")]).plain == "1 error, 1 warning"
