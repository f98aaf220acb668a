"""A verdict in text: the word first, what is alike together, nothing that could move a cursor."""

from __future__ import annotations

from cli.verify_text import verdict_texts
from compiler.names import NodeName
from compiler.problem import Origin
from verifier.certificate import Certificate, Counts
from verifier.judge import Verdict
from verifier.outcome import Step
from verifier.packets import Packet
from verifier.violation import Example, Kind, Violation

CERTIFICATE = Certificate(
    revision="c0ffee",
    digest="d1935",
    counts=Counts(nodes=3, entries=40, classes=1234, pairs_open=5, pairs_closed=7, services=1),
)


def lines(*violations: Violation, shown: int | None = 10) -> list[str]:
    verdict = Verdict(violations=violations, certificate=CERTIFICATE)
    return [line for text in verdict_texts(verdict, shown=shown) for line in text.plain.split("\n")]


def leak(node: int = 1, *, sentence: str = "red reaches blue") -> Violation:
    return Violation(
        kind=Kind.LEAK,
        node=NodeName(f"node-{node}"),
        sentence=sentence,
        expected="refused at once",
        found="delivered to a pod port",
        example=Example(
            link="at1",
            sender="a pod of team-a/red",
            packet=Packet(family=4, saddr=0x0A010001, daddr=0x0A020001, protocol=6, dport=80),
        ),
        way=(
            Step(hook="prerouting", chain="classify", text="ct zone set iifgroup map @zones"),
            Step(hook="forward", chain="forward", text="iifgroup . oifgroup @peers accept", element="1 . 2"),
        ),
        origins=(Origin(path="red.yaml", line=7), Origin(path="blue.yaml", line=3)),
    )


def test_a_proof_says_how_much_was_looked_at() -> None:
    assert lines() == [
        "proved: 3 nodes let pass exactly what is declared",
        "  judged    1,234 classes of packets from 40 places, 5 open and 7 closed pairs of networks,"
        " 1 Service port",
        "  assuming  7 things of the world: see --certificate",
        "  digest    d1935",
    ]


def test_a_violation_shows_packet_expectation_way_and_declarations() -> None:
    assert lines(leak()) == [
        "not proved: 1 violation on 1 node",
        "",
        "node-1: leak: red reaches blue",
        "  packet    TCP from 10.1.0.1 to 10.2.0.1 port 80, of a pod of team-a/red by at1",
        "  expected  refused at once",
        "  found     delivered to a pod port",
        "  way       prerouting classify  ct zone set iifgroup map @zones",
        "            forward forward      iifgroup . oifgroup @peers accept",
        "                                 ^ 1 . 2",
        "  declared  red.yaml:7",
        "            blue.yaml:3",
    ]


def test_what_is_wrong_alike_on_several_nodes_stands_once() -> None:
    shown = lines(leak(1), leak(2), leak(2), leak(3))
    assert shown[0] == "not proved: 4 violations on 3 nodes"
    assert [line for line in shown if "leak" in line] == [
        "node-1: leak: red reaches blue (and on 2 other nodes)"
    ]


def test_only_so_many_are_shown_without_asking() -> None:
    some = [leak(sentence=f"case {number}") for number in range(12)]
    shown = lines(*some)
    assert sum(": leak: " in line for line in shown) == 10
    assert shown[-1] == "2 more like these not shown: --all shows them"
    assert sum(": leak: " in line for line in lines(*some, shown=None)) == 12


def test_text_from_outside_cannot_move_a_cursor() -> None:
    shown = lines(leak(sentence="red\x1b[2Jreaches"))
    assert "node-1: leak: red\N{REPLACEMENT CHARACTER}[2Jreaches" in shown
