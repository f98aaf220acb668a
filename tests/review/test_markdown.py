"""A comment is as long as platforms take and no longer, and its summary is never what gives way."""

from __future__ import annotations

from typing import Final

import pytest
from msgspec.structs import replace

from review.markdown import LIMIT, markdown
from review.model import (
    Allotted,
    Arrival,
    Bearing,
    Bond,
    Consent,
    ConsentKind,
    Cut,
    Finding,
    Hunk,
    Line,
    Matter,
    Move,
    NodeDigest,
    NodeGroup,
    Reacher,
    Review,
    Revision,
    Setting,
    Share,
    Side,
    Verdict,
)
from tests.golden.review_case import reviewed

LONG: Final = "`<@|" * 1_000
MANY: Final = 60
LINE: Final = Line(side=Side.HEAD, path=LONG, line=1, object=LONG, text=LONG, commit="c" * 40, author=LONG)
NAMES: Final = (LONG,) * MANY


def _worst() -> Review:
    """Far more of everything than a change can hold, all of it long and hostile."""
    finding = Finding(
        code="ATL311", matter=Matter.OTHER, new=True, place=LONG, subject=LONG, reason=LONG, remedy=LONG
    )
    digest = NodeDigest(node=LONG, before=LONG, after=LONG)
    bond = Bond(
        networks=NAMES, pairs=((LONG, LONG),) * MANY, routers=NAMES, causes=NAMES, lines=(LINE,) * MANY
    )
    return Review(
        verdict=Verdict.OPENS_AND_CUTS,
        headline=("verdict: " + LONG,) * 12,
        base=Revision(name=LONG, commit="b" * 40),
        head=Revision(name=LONG, commit="a" * 40),
        unknown=NAMES,
        findings=tuple(
            replace(finding, matter=matter, new=new)
            for matter in Matter
            for new in (True, False)
            for _ in range(MANY)
        ),
        networks_added=(Arrival(network=LONG, subnets=NAMES, pods=1, lines=(LINE,) * MANY),) * MANY,
        networks_removed=(Arrival(network=LONG, subnets=NAMES, pods=1, lines=(LINE,) * MANY),) * MANY,
        gained=(bond,) * MANY,
        lost=(bond,) * MANY,
        reachers=(
            Reacher(
                network=LONG,
                pods=1,
                namespaces=(Share(namespace=LONG, pods=1),) * MANY,
                gains=NAMES,
                loses=NAMES,
                services_gained=NAMES,
                services_lost=NAMES,
            ),
        )
        * MANY,
        settings=(
            Setting(
                object=LONG, what=LONG, before=NAMES, after=NAMES, bearing=Bearing.OPENS, lines=(LINE,) * MANY
            ),
        )
        * MANY,
        consents=(Consent(kind=ConsentKind.ASKED, importer=LONG, awaited=LONG, lines=(LINE,) * MANY),) * MANY,
        moves=(Move(before=LONG, after=LONG, pods=NAMES, count=1),) * MANY,
        cuts=(Cut(what=LONG, pods=1),) * MANY,
        allotted=(Allotted(what="block", value=LONG, owner=LONG, node=LONG),) * MANY,
        node_groups=(
            NodeGroup(nodes=(digest,) * MANY, hunks=(Hunk(title=LONG, meaning=LONG, lines=NAMES),) * 2),
        )
        * MANY,
        nodes=MANY * MANY,
    )


def test_not_even_the_worst_change_makes_a_comment_too_long() -> None:
    assert len(markdown(_worst())) <= LIMIT


def test_what_gives_way_says_so_and_where_it_is() -> None:
    text = markdown(reviewed("too-large"), limit=20_000)

    assert len(text) <= 20_000
    assert "left out here: `--format json` and `--format html` have all" in text


@pytest.mark.parametrize("limit", [5_000, 10_000, 20_000, 60_000])
def test_the_summary_stays_whatever_gives_way(limit: int) -> None:
    review = reviewed("too-large")

    text = markdown(review, limit=limit)

    assert text.startswith(
        "## Atoll review: opens\n\n- 1,800 pairs of 400 networks may newly talk: team-00/net-0"
    )


def test_details_give_way_before_reach_does() -> None:
    review = reviewed("too-large")
    whole, cut = markdown(review, limit=10**9), markdown(review, limit=30_000)

    reach = whole[whole.index("### May newly talk") : whole.index("<details>")]
    assert reach in cut
    assert len(cut) < len(whole)
