"""The lines that made the difference, and no others."""

from __future__ import annotations

from review.lines import Introduction, Place, printable, with_authors
from review.model import Side
from tests.review.scene import network, places, reviewed, router

RED, BLUE = network("red", "10.1.0.0/24"), network("blue", "10.2.0.0/24")
TWO = {"red.yaml": RED, "blue.yaml": BLUE}


def test_a_new_router_is_told_by_its_first_line() -> None:
    review = reviewed(TWO, {**TWO, "router.yaml": router("all")})

    assert places(review.gained[0].lines) == ["head router.yaml:1"]


def test_of_a_router_that_differs_the_line_that_differs_is_told() -> None:
    before = {**TWO, "router.yaml": b"# first\n" + router("all", selector="side: left")}

    review = reviewed(before, {**TWO, "router.yaml": router("all")})

    assert places(review.gained[0].lines) == [
        "head router.yaml:6 virtualNetworkSelector: {matchLabels: {}}",
        "base router.yaml:7 virtualNetworkSelector: {matchLabels: {side: left}}",
    ]


def test_of_an_import_the_entry_is_told_and_not_the_keys_above_it() -> None:
    spoke = router("spoke", "spoke", selector="side: right", imports="hub")
    sides = {
        "red.yaml": network("red", "10.1.0.0/24", labels="side: left"),
        "blue.yaml": network("blue", "10.2.0.0/24", labels="side: right"),
        "spoke.yaml": spoke,
    }
    hub = {"hub.yaml": router("hub", "hub", selector="side: left")}
    asked = {"hub.yaml": router("hub", "hub", selector="side: left", imports="spoke")}

    review = reviewed({**sides, **hub}, {**sides, **asked})

    assert places(review.gained[0].lines) == [
        "head hub.yaml:9 - virtualNetworkRouterSelector: {matchLabels: {router: spoke}}"
    ]


def test_a_label_that_joins_a_network_is_the_line() -> None:
    joined = router("all", selector="side: left")
    before = {
        "red.yaml": network("red", "10.1.0.0/24", labels="side: left"),
        "blue.yaml": BLUE,
        "r.yaml": joined,
    }
    after = {**before, "blue.yaml": network("blue", "10.2.0.0/24", labels="side: left")}

    review = reviewed(before, after)

    assert places(review.gained[0].lines) == [
        "head blue.yaml:3 metadata: {name: blue, namespace: team-a, labels: {side: left}}",
        "base blue.yaml:3 metadata: {name: blue, namespace: team-a, labels: {}}",
    ]


def test_an_object_that_moves_to_another_file_changes_nothing() -> None:
    both = RED + b"---\n" + BLUE

    review = reviewed(TWO, {"all.yaml": b"# together\n" + both}, {"red-1": "node-1"})

    assert review.verdict == "nothing"
    assert not review.node_groups


def test_a_line_of_base_is_completed_by_who_removed_it() -> None:
    review = reviewed({**TWO, "router.yaml": router("all")}, TWO)
    place = Place(side=Side.BASE, path="router.yaml", line=1)

    told = with_authors(review, {place: Introduction(commit="c0ffee", author="Bea\x1b[1m")})

    line = told.lost[0].lines[0]
    assert (line.commit, line.author) == ("c0ffee", "Bea\N{REPLACEMENT CHARACTER}[1m")


def test_text_that_turns_the_direction_of_writing_is_shown_as_replaced() -> None:
    assert printable("a\N{RIGHT-TO-LEFT OVERRIDE}b") == "a\N{REPLACEMENT CHARACTER}b"
