"""The picture as a Mermaid graph: new edges thick and green, removed ones dashed and red.

Labels are names that were checked when they were parsed, and fixed words; nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from review.model import Picture, PictureEdge, PictureNode, Standing

_SHAPES: Final = {
    "network": ("(", ")"),
    "router": ("{{", "}}"),
    "service": ("[[", "]]"),
    "outside": ("([", "])"),
}
_ARROWS: Final = {
    (Standing.NEW, False): "<==>",
    (Standing.NEW, True): "==>",
    (Standing.GONE, False): "<-.->",
    (Standing.GONE, True): "-.->",
    (Standing.STAYS, False): "---",
    (Standing.STAYS, True): "-->",
}
_GREEN: Final = "#2da44e"
_RED: Final = "#cf222e"


def mermaid(picture: Picture) -> tuple[str, ...]:
    """Lines of a flowchart; none for an empty picture."""
    return tuple(_lines(picture)) if picture.nodes else ()


def _lines(picture: Picture) -> Iterator[str]:
    numbers = {node.name: f"n{index}" for index, node in enumerate(picture.nodes)}
    yield "flowchart LR"
    for node in picture.nodes:
        yield f"  {numbers[node.name]}{_shape(node)}{_class(node.standing)}"
    for edge in picture.edges:
        arrow = _ARROWS[edge.standing, edge.directed]
        yield f"  {numbers[edge.left]} {arrow} {numbers[edge.right]}"
    yield from _styles(picture)


def _shape(node: PictureNode) -> str:
    opening, closing = _SHAPES[node.kind]
    return f'{opening}"{node.name}"{closing}'


def _class(standing: Standing) -> str:
    return "" if standing is Standing.STAYS else f":::{standing.value}"


def _styles(picture: Picture) -> Iterator[str]:
    yield f"  classDef new stroke:{_GREEN},stroke-width:3px"
    yield f"  classDef gone stroke:{_RED},stroke-width:2px,stroke-dasharray:5"
    for standing, style in (
        (Standing.NEW, f"stroke:{_GREEN},stroke-width:3px"),
        (Standing.GONE, f"stroke:{_RED},stroke-width:2px,stroke-dasharray:5"),
    ):
        links = _numbers(picture.edges, standing)
        if links:
            yield f"  linkStyle {links} {style}"


def _numbers(edges: tuple[PictureEdge, ...], standing: Standing) -> str:
    return ",".join(str(index) for index, edge in enumerate(edges) if edge.standing is standing)
