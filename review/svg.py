"""The picture as SVG: each connected part a circle of its own, a router in the middle of its networks.

Places are whole numbers that follow from the order of the names alone. Colours are the page's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from math import cos, pi, sin
from typing import Final

from review.model import Picture, PictureEdge, PictureNode, Standing

_LETTER: Final = 7.4
"""Width of one, in pixels; the font is of one width."""
_LONGEST: Final = 36
_HEIGHT: Final = 30
_GAP: Final = 40
_WIDEST: Final = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class _Part:
    """Connected nodes, placed around the middle of their box."""

    places: Mapping[str, tuple[int, int]]
    width: int
    height: int


def svg(picture: Picture) -> str:
    """ "" for an empty picture."""
    if not picture.nodes:
        return ""
    places, width, height = _placed([_part(names, picture) for names in _parts(picture)])
    nodes = {node.name: node for node in picture.nodes}
    drawn = (
        *(_edge(edge, places) for edge in picture.edges),
        *(_node(nodes[name], at) for name, at in places.items()),
    )
    label = "Networks that the change concerns, and their neighbours"
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{label}">\n{_MARKERS}{"".join(drawn)}</svg>\n'
    )


def _marker(standing: Standing) -> str:
    return (
        f'<marker id="to-{standing.value}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="9" '
        f'markerHeight="9" markerUnits="userSpaceOnUse" orient="auto">'
        f'<path class="tip {standing.value}" d="M0 0L10 5L0 10z"/></marker>'
    )


_MARKERS: Final = f"<defs>{''.join(map(_marker, Standing))}</defs>\n"


def _parts(picture: Picture) -> list[list[str]]:
    """Connected nodes together, in the picture's order."""
    group = {node.name: {node.name} for node in picture.nodes}
    for edge in picture.edges:
        one, other = group[edge.left], group[edge.right]
        if one is not other:
            one |= other
            for name in other:
                group[name] = one
    order = {node.name: index for index, node in enumerate(picture.nodes)}
    parts = {id(names): names for names in group.values()}
    return sorted(
        (sorted(names, key=order.__getitem__) for names in parts.values()), key=lambda p: order[p[0]]
    )


def _part(names: list[str], picture: Picture) -> _Part:
    kinds = {node.name: node.kind for node in picture.nodes}
    hubs = [name for name in names if kinds[name] == "router"]
    around = [name for name in names if name not in hubs] if len(hubs) == 1 else names
    widest = max(map(_width, names))
    if len(names) == 1:
        return _Part(places={names[0]: (0, 0)}, width=widest, height=_HEIGHT)
    if len(names) == 2:
        shift = (widest + 3 * _GAP) // 2
        return _Part(
            places={names[0]: (-shift, 0), names[1]: (shift, 0)}, width=2 * shift + widest, height=_HEIGHT
        )
    across = max(widest // 2 + _GAP, 12 * len(around)) + (widest // 2 if len(hubs) == 1 else 0)
    down = max(70, 19 * len(around))
    places = {name: _on_ellipse(index, len(around), across, down) for index, name in enumerate(around)}
    if len(hubs) == 1:
        places[hubs[0]] = (0, 0)
    return _Part(places=places, width=2 * across + widest, height=2 * down + _HEIGHT)


def _on_ellipse(index: int, count: int, across: int, down: int) -> tuple[int, int]:
    angle = 2 * pi * index / count - pi
    return round(across * cos(angle)), round(down * sin(angle))


def _placed(parts: list[_Part]) -> tuple[dict[str, tuple[int, int]], int, int]:
    """Row by row, as words in a line."""
    places: dict[str, tuple[int, int]] = {}
    left = top = _GAP
    row = widest = 0
    for part in parts:
        if left > _GAP and left + part.width > _WIDEST:
            left, top, row = _GAP, top + row + _GAP, 0
        middle = (left + part.width // 2, top + part.height // 2)
        places |= {name: (middle[0] + x, middle[1] + y) for name, (x, y) in part.places.items()}
        left += part.width + _GAP
        row, widest = max(row, part.height), max(widest, left)
    return places, widest, top + row + _GAP


def _shown(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


def _width(name: str) -> int:
    return round(len(_shown(name)) * _LETTER) + 20


def _node(node: PictureNode, at: tuple[int, int]) -> str:
    width = _width(node.name)
    x, y = at[0] - width // 2, at[1] - _HEIGHT // 2
    round_by = 15 if node.kind in ("network", "outside") else 3
    return (
        f'<g class="node {node.kind} {node.standing.value}"><title>{escape(node.name)}</title>'
        f'<rect x="{x}" y="{y}" width="{width}" height="{_HEIGHT}" rx="{round_by}"/>'
        f'<text x="{at[0]}" y="{at[1] + 4}">{escape(_shown(node.name))}</text></g>\n'
    )


def _edge(edge: PictureEdge, places: Mapping[str, tuple[int, int]]) -> str:
    (x1, y1), (x2, y2) = places[edge.left], places[edge.right]
    marker = ""
    if edge.directed:
        x2, y2 = _before_box((x1, y1), (x2, y2), _width(edge.right))
        marker = f' marker-end="url(#to-{edge.standing.value})"'
    return f'<line class="edge {edge.standing.value}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"{marker}/>\n'


def _before_box(start: tuple[int, int], end: tuple[int, int], width: int) -> tuple[int, int]:
    """Where a line to the middle of a box meets its edge."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    share = min(width / 2 / abs(dx) if dx else 1.0, _HEIGHT / 2 / abs(dy) if dy else 1.0, 1.0)
    return round(end[0] - dx * share), round(end[1] - dy * share)


def standings(picture: Picture) -> Iterator[str]:
    """What the colours mean, as far as they occur."""
    present = {edge.standing for edge in picture.edges} | {node.standing for node in picture.nodes}
    words = {Standing.NEW: "new", Standing.GONE: "gone", Standing.STAYS: "as before"}
    return (f'<span class="key {one.value}">{words[one]}</span>' for one in Standing if one in present)
