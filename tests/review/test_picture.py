"""A picture that one can look at: bounded, nothing upon another, in a page that loads and runs nothing."""

from __future__ import annotations

from html.parser import HTMLParser
from itertools import combinations, pairwise
from xml.etree import ElementTree

import pytest

from review.html import html
from review.markdown import markdown
from review.mermaid import mermaid
from review.model import Picture, PictureEdge, PictureNode, Standing
from review.picture import MAX_EDGES, MAX_NODES
from review.svg import svg
from tests.golden.review_case import REVIEW_CASES, reviewed
from tests.review import scene

DRAWN = [name for name in REVIEW_CASES if reviewed(name).picture.nodes]
TAGS = frozenset(
    {
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "header",
        "h1",
        "h2",
        "ul",
        "li",
        "p",
        "strong",
        "code",
        "figure",
        "figcaption",
        "span",
        "svg",
        "defs",
        "marker",
        "path",
        "g",
        "rect",
        "text",
        "details",
        "summary",
        "div",
        "table",
        "tr",
        "th",
        "td",
        "br",
        "pre",
    }
)


def _boxes(drawing: str) -> list[tuple[int, int, int, int]]:
    found = ElementTree.fromstring(drawing).iter("rect")
    return [
        (int(box.attrib["x"]), int(box.attrib["y"]), int(box.attrib["width"]), int(box.attrib["height"]))
        for box in found
    ]


def _touch(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> bool:
    (x1, y1, w1, h1), (x2, y2, w2, h2) = one, other
    return x1 < x2 + w2 and x2 < x1 + w1 and y1 < y2 + h2 and y2 < y1 + h1


@pytest.mark.parametrize("name", DRAWN)
def test_no_box_lies_upon_another(name: str) -> None:
    boxes = _boxes(svg(reviewed(name).picture))

    assert len(boxes) == len(reviewed(name).picture.nodes)
    assert not any(_touch(one, other) for one, other in combinations(boxes, 2))


def test_many_connected_networks_with_long_names_do_not_touch_either() -> None:
    names = [f"a-team-with-a-long-name/network-{index:02}" for index in range(MAX_NODES)]
    nodes = tuple(PictureNode(name=name, kind="network", standing=Standing.STAYS) for name in names)
    edges = tuple(PictureEdge(left=one, right=other, standing=Standing.NEW) for one, other in pairwise(names))

    boxes = _boxes(svg(Picture(nodes=nodes, edges=edges)))

    assert len(boxes) == MAX_NODES
    assert not any(_touch(one, other) for one, other in combinations(boxes, 2))


def test_a_large_change_is_drawn_in_part_and_the_rest_is_counted() -> None:
    picture = reviewed("too-large").picture

    assert len(picture.nodes) <= MAX_NODES
    assert len(picture.edges) <= MAX_EDGES
    assert picture.left_out == 380


def test_new_edges_that_have_no_room_are_counted_and_said() -> None:
    """24 networks, each in a mesh of four with others by each of two labels."""
    networks = {
        f"{n:02}.yaml": scene.network(f"n{n:02}", f"10.1.{n}.0/24", labels=f"a: g{n // 4}, b: g{n % 6}")
        for n in range(MAX_NODES)
    }
    routers = {
        f"{label}{n}.yaml": scene.router(f"{label}{n}", selector=f"{label}: g{n}")
        for label in "ab"
        for n in range(6)
    }
    review = scene.reviewed(networks, networks | routers)

    assert (len(review.picture.edges), review.picture.edges_left_out) == (MAX_EDGES, 12)
    assert "\n12 new or gone edges more are not drawn.\n" in markdown(review)


def test_what_changes_is_told_from_what_stays() -> None:
    assert mermaid(reviewed("service-across-networks").picture) == (
        "flowchart LR",
        '  n0("team-a/red")',
        '  n1("team-b/grey")',
        '  n2("team-b/blue")',
        "  n0 <==> n1",
        "  n2 <==> n1",
        "  n0 --- n2",
        "  classDef new stroke:#2da44e,stroke-width:3px",
        "  classDef gone stroke:#cf222e,stroke-width:2px,stroke-dasharray:5",
        "  linkStyle 0,1 stroke:#2da44e,stroke-width:3px",
    )


class _Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


@pytest.mark.parametrize("name", REVIEW_CASES)
def test_a_page_holds_its_own_tags_and_refers_to_nothing(name: str) -> None:
    page = _Tags(html(reviewed(name)))

    assert page.tags <= TAGS
    assert page.attributes.isdisjoint({"src", "href", "xlink:href", "onerror", "onload", "style"})
