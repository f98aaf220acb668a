"""What of the demo needs no kernel: its table, its judgement, its repository, its commits."""

from __future__ import annotations

import io
import os
import re
from ipaddress import ip_address
from pathlib import Path

import pytest

from cli.demonstration.checks import Answer, Mark, Question, Tally, judged
from cli.demonstration.cluster import with_own_ranges
from cli.demonstration.commits import BROKEN, CHECKOUT
from cli.demonstration.narrator import Narrator
from cli.demonstration.process import Process
from cli.demonstration.repository import Repository
from cli.demonstration.story import DECLARED, GAINED
from cli.demonstration.table import changed_rows, rows_of, table_lines
from cli.failure import Failure
from cli.lab.traffic import Outcome, Probe, Verdict
from compiler.allocations import Allocations
from compiler.compilation import compile
from compiler.inventory import Inventory
from compiler.parse import parse
from controller.directory import read_directory
from controller.reach import reach_of

TEMPLATE = Path(__file__).parents[2] / "repo-template"
GROUPS = (("platform", ("git",)), ("storefront", ("web-1", "web-2")), ("node", ("node",)))


def question(promised: Mark, *, client: str = "git", target: str = "web-1", **probe: object) -> Question:
    address = ip_address(str(probe.get("address", "10.20.0.1")))
    protocol = str(probe.get("protocol", "TCP"))
    return Question(
        section="pods, by address",
        target=target,
        client=client,
        # No namespace is entered: nothing is sent.
        probe=Probe(start=None, address=address, protocol=protocol, port=8080),  # type: ignore[arg-type]
        promised=promised,
        answerers=frozenset({"shop/web-1"}),
    )


def answer(promised: Mark, seen: Mark, *, right: bool = True, **of: str) -> Answer:
    return Answer(question=question(promised, **of), seen=seen, right=right, detail="")


def both(promised: Mark, client: str, *, target: str = "web-1") -> list[Answer]:
    return [
        answer(promised, promised, client=client, target=target, address=address)
        for address in ("10.20.0.1", "fd00::1")
    ]


def test_the_table_shows_declared_and_seen_by_family() -> None:
    rows = rows_of(
        [
            *both(Mark.REACHED, "git"),
            *both(Mark.REFUSED, "web-2"),
            *both(Mark.REACHED, "node"),
            *both(Mark.OTHER, "git", target="web-2"),
            *both(Mark.SILENT, "web-1", target="web-2"),
        ]
    )
    assert [line.plain for line in table_lines(GROUPS, rows, width=80)] == [
        "             │platform│storefront  │node",
        "             │git     │web-1 web-2 │node",
        "── pods, by address ──────────────────────",
        "web-1        │✓ ✓✓    │      – ––  │✓ ✓✓",
        "web-2        │o oo    │· ··        │",
    ]


def test_what_is_not_as_declared_is_marked() -> None:
    rows = rows_of(
        [
            answer(Mark.REFUSED, Mark.REFUSED),
            answer(Mark.REFUSED, Mark.REACHED, right=False, address="fd00::1"),
        ]
    )
    *_, line = table_lines((("platform", ("git",)),), rows, width=80)
    assert line.plain == "web-1        │–≠–✓"
    assert "red" in str(line.spans)


def test_one_wrong_protocol_is_enough_to_show() -> None:
    rows = rows_of(
        [
            answer(Mark.REFUSED, Mark.REFUSED),
            answer(Mark.REFUSED, Mark.SILENT, right=False, protocol="UDP"),
        ]
    )
    assert rows[0].cells["git"].text.plain == "–≠· "


def test_a_narrow_terminal_gets_the_columns_in_blocks() -> None:
    lines = [line.plain for line in table_lines(GROUPS, rows_of(both(Mark.REACHED, "node")), width=30)]
    assert lines == [
        "             │platform",
        "             │git",
        "── pods, by address ──",
        "web-1        │",
        "             │storefront",
        "             │web-1 web-2",
        "── pods, by address ──────",
        "web-1        │",
        "             │node",
        "             │node",
        "── pods, by address ",
        "web-1        │✓ ✓✓",
    ]


def test_rows_change_by_their_promises() -> None:
    before = rows_of([*both(Mark.REFUSED, "git"), *both(Mark.REFUSED, "git", target="web-2")])
    after = rows_of([*both(Mark.REFUSED, "git"), *both(Mark.REACHED, "git", target="web-2")])
    assert changed_rows(before, after) == after[1:]


@pytest.mark.parametrize(
    ("promised", "outcome", "seen", "right"),
    [
        (Mark.REACHED, Outcome(verdict=Verdict.REACHED, by="shop/web-1"), Mark.REACHED, True),
        (Mark.REACHED, Outcome(verdict=Verdict.REACHED, by="analytics/bi-2"), Mark.OTHER, False),
        (Mark.REACHED, Outcome(verdict=Verdict.REACHED), Mark.REACHED, True),
        (Mark.REACHED, Outcome(verdict=Verdict.SILENCE), Mark.SILENT, False),
        (Mark.OTHER, Outcome(verdict=Verdict.REACHED, by="shop/web-1"), Mark.OTHER, True),
        (Mark.OTHER, Outcome(verdict=Verdict.REACHED, by="analytics/bi-2"), Mark.REACHED, False),
        (Mark.REFUSED, Outcome(verdict=Verdict.REFUSED), Mark.REFUSED, True),
        (Mark.REFUSED, Outcome(verdict=Verdict.REJECTED), Mark.REFUSED, True),
        (Mark.REFUSED, Outcome(verdict=Verdict.REFUSED, elapsed=60.0), Mark.REFUSED, False),
        (Mark.REFUSED, Outcome(verdict=Verdict.SILENCE), Mark.SILENT, False),
        (Mark.REFUSED, Outcome(verdict=Verdict.REACHED, by="shop/web-1"), Mark.REACHED, False),
        (Mark.SILENT, Outcome(verdict=Verdict.SILENCE), Mark.SILENT, True),
        (Mark.SILENT, Outcome(verdict=Verdict.REFUSED, elapsed=60.0), Mark.REFUSED, True),
        (Mark.SILENT, Outcome(verdict=Verdict.REACHED), Mark.REACHED, False),
    ],
)
def test_an_outcome_is_judged_by_the_promise(
    promised: Mark, outcome: Outcome, seen: Mark, right: bool
) -> None:
    judgement = judged(question(promised), outcome)
    assert (judgement.seen, judgement.right) == (seen, right)


def test_a_wrong_answer_is_told_in_words_and_counted() -> None:
    tally = Tally()
    silence = judged(question(Mark.REFUSED), Outcome(verdict=Verdict.SILENCE, elapsed=3.0))
    assert tally.count([silence, *both(Mark.REACHED, "git")]) == [
        "git -> web-1, TCP to 10.20.0.1 port 8080: declared refused, seen silence after 3.00 s"
    ]
    assert tally.hold("the sky fell", True) == []
    assert tally.hold("the sky fell", False) == ["the sky fell"]
    assert (tally.checks, len(tally.wrong)) == (5, 2)


def test_details_that_are_too_long_go_on_below() -> None:
    stream = io.StringIO()
    Narrator(stream, width=40).detail("  one two three four five six seven eight")
    assert stream.getvalue() == "            one two three four five six\n                seven eight\n"


def test_a_terminal_without_utf_8_gets_other_marks() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    Narrator(stream, width=80).passage(["✓ – ·│≠"])
    stream.seek(0)
    assert stream.read() == "\nY - .|#\n\n"


def test_the_last_line_is_the_verdict() -> None:
    stream = io.StringIO()
    Narrator(stream, width=80).verdict(12, 3)
    assert stream.getvalue() == "demo: 12 checks, 3 wrong\n"


def test_a_repository_is_made_from_the_template_with_the_lab_s_own_ranges(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "networks", TEMPLATE, os.environ["PATH"])
    own = with_own_ranges(repository.read("cluster.yaml"))
    revision = repository.commit("Platform", "Our ranges", {"cluster.yaml": own})
    assert re.fullmatch("[0-9a-f]{40}", revision)
    assert revision != repository.first
    assert "  nodeRanges:\n    - 172.18.0.0/24\n    - fd00:172:18::/64\n" in repository.read("cluster.yaml")


def talking(files: dict[str, bytes]) -> set[tuple[str, str]]:
    parsed = parse(files, revision="")
    assert parsed.declarations is not None
    reachability = reach_of(compile(parsed.declarations, Inventory(), Allocations())).reachability
    pairs = {
        (str(network.name), str(peer.name)) for network in reachability.networks for peer in network.peers
    }
    return {pair for pair in pairs if pair[0] < pair[1]}


def test_the_routers_of_the_demo_connect_one_pair_more_than_the_template() -> None:
    files = dict(read_directory(TEMPLATE).files)
    added = {name: text.encode() for name, text in CHECKOUT.items()}
    assert talking(files) == DECLARED
    assert talking(files | added) == DECLARED | {GAINED}


def test_the_broken_file_has_two_errors_with_their_places() -> None:
    files = dict(read_directory(TEMPLATE).files)
    parsed = parse(files | {name: text.encode() for name, text in BROKEN.items()}, revision="")
    assert [f"{problem.origin} {problem.code}" for problem in parsed.problems] == [
        "networks/billing/network.yaml:8:7 ATL401",
        "networks/billing/network.yaml:19:3 ATL205",
    ]


def test_a_process_that_ended_is_reported_with_its_last_words(tmp_path: Path) -> None:
    process = Process("controller", ["controller", "--ref", "main"], folder=tmp_path, place=None)
    process.end()
    with pytest.raises(
        Failure, match=r"controller ended with status (2|-15); its log ends so:\n  controller: "
    ):
        process.require_alive()
