"""The YAML reader, without tags, and its complaints in words for the person who wrote the file."""

from __future__ import annotations

from typing import NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.scanner import Scanner, ScannerError

from compiler.catalogue import found
from compiler.problem import Origin, Problem

_TAG = "a tag"


class TaglessScanner(Scanner):
    """Stops at a tag instead of reading it, which takes ruamel.yaml 0.19 quadratic time in its length."""

    def fetch_tag(self) -> NoReturn:
        raise ScannerError(None, None, _TAG, self.reader.get_mark())


class PlainYAML(YAML):
    """The parser in Python, as this package has it: no plug-ins, which are sought on the disk each time."""

    def __init__(self) -> None:
        super().__init__(typ="safe", pure=True)
        self.Scanner = TaglessScanner

    def official_plug_ins(self) -> list[str]:
        return []


# What the reader says, what it means, what to do. The first that fits is used.
_MEANINGS = (
    (
        "'\\t' that cannot start",
        "a tab is used to indent",
        "Indent with spaces",
    ),
    (
        "mapping values are not allowed here",
        "`: ` stands where no key can be, so that the value would become a mapping",
        "Put the text in quotes, or indent the line as its neighbours are",
    ),
    (
        "could not find expected ':'",
        "a key without `:`",
        "Add the colon and the value, or indent the line so that it continues the value above",
    ),
    (
        "unexpected end of stream",
        "quoted text is not closed before the end of the file",
        "Close the quotation mark",
    ),
    (
        "expected ',' or '}'",
        "a `{` is not closed, or a comma is missing after an entry",
        "Add the `,` or the `}`",
    ),
    (
        "expected ',' or ']'",
        "a `[` is not closed, or a comma is missing after an entry",
        "Add the `,` or the `]`",
    ),
    (
        "expected the node content",
        "a value is missing, or a `[` or `{` is not closed",
        "Write the value, or close the bracket",
    ),
    (
        "expected <block end>",
        "the line is indented unlike its neighbours",
        "Indent all keys of a mapping, and all `-` of a list, alike",
    ),
    (
        "did not find expected <document start>",
        "text follows where a document has ended",
        "Separate documents by a line `---`",
    ),
    (
        "expected '<document start>'",
        "text follows where a document has ended",
        "Separate documents by a line `---`",
    ),
    (
        "that cannot start any token",
        "a value cannot begin with this character",
        "Put the value in quotes",
    ),
    (
        "sequence entries are not allowed here",
        "a list entry `- ` stands where no list can be",
        "Begin the list on a line of its own",
    ),
    (
        "found unknown escape character",
        "an escape that YAML does not know",
        "Use single quotes, where a backslash is only a backslash",
    ),
)


def explained(path: str, error: MarkedYAMLError) -> Problem:
    """The reader's error as a problem at its place."""
    mark = error.problem_mark or error.context_mark
    origin = Origin(path=path, line=mark.line + 1, column=mark.column + 1) if mark else Origin(path=path)
    if error.problem == _TAG:
        return found("ATL107", origin=origin, subject=path, reason="a value begins with a tag")
    said = str(error.problem or error.context or "the text is not YAML")
    for needle, reason, remedy in _MEANINGS:
        if needle in said:
            return found("ATL104", origin=origin, subject=path, reason=reason, remedy=remedy)
    context = f" {error.context}" if error.context and error.problem else ""
    return found("ATL104", origin=origin, subject=path, reason=f"the reader {_plain(said)}{context}")


def _plain(said: str) -> str:
    first = said.split("\n", 1)[0]
    return first if first.startswith(("found", "expected", "did not")) else f"says: {first}"
