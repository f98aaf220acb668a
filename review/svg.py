"""The picture as SVG: each connected part in two columns, a router in the middle of its networks.

Places are whole numbers that follow from the order of the names alone. Colours are the page's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Final, NamedTuple

from review.model import Picture, PictureEdge, PictureNode, Standing

_LETTER: Final = 7.4
"""Width of one, in pixels; the font is of one width."""
_LONGEST: Final = 36
_HEIGHT: Final = 30
_GAP: Final = 40
_ROW: Final = 46
_WIDEST: Final = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class _Part:
    """Connected nodes, placed around the middle of their box."""

    places: Mapping[str, tuple[int, int]]
    width: int
    height: int


class _Place(NamedTuple):
    x: int
    y: int
    middle: int
    """Of its part."""


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
    routers = [node.name for node in picture.nodes if node.kind == "router" and node.name in names]
    hubs = routers if len(routers) == 1 else []
    around = [name for name in names if name not in hubs]
    widest = max(map(_width, names))
    across = widest // 2 + 2 * _GAP + sum(_width(hub) // 2 for hub in hubs)
    rows = (len(around) + 1) // 2
    places = dict.fromkeys(hubs, (0, 0))
    for index, name in enumerate(around):
        side, row = divmod(index, rows)
        height = rows if side == 0 else len(around) - rows
        places[name] = (across if side else -across, round((row - (height - 1) / 2) * _ROW))
    if len(names) == 1:
        return _Part(places={names[0]: (0, 0)}, width=widest, height=_ROW)
    return _Part(places=places, width=2 * across + widest, height=max(rows, 1) * _ROW)


def _placed(parts: list[_Part]) -> tuple[dict[str, _Place], int, int]:
    """Row by row, as words in a line."""
    places: dict[str, _Place] = {}
    left = top = _GAP
    row = widest = 0
    for part in parts:
        if left > _GAP and left + part.width > _WIDEST:
            left, top, row = _GAP, top + row + _GAP, 0
        middle, line = left + part.width // 2, top + part.height // 2
        places |= {name: _Place(middle + x, line + y, middle) for name, (x, y) in part.places.items()}
        left += part.width + _GAP
        row, widest = max(row, part.height), max(widest, left)
    return places, widest, top + row + _GAP


def _shown(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


def _width(name: str) -> int:
    return round(len(_shown(name)) * _LETTER) + 20


def _node(node: PictureNode, at: _Place) -> str:
    width = _width(node.name)
    x, y = at.x - width // 2, at.y - _HEIGHT // 2
    round_by = 15 if node.kind in ("network", "outside") else 3
    return (
        f'<g class="node {node.kind} {node.standing.value}"><title>{escape(node.name)}</title>'
        f'<rect x="{x}" y="{y}" width="{width}" height="{_HEIGHT}" rx="{round_by}"/>'
        f'<text x="{at.x}" y="{at.y + 4}">{escape(_shown(node.name))}</text></g>\n'
    )


def _edge(edge: PictureEdge, places: Mapping[str, _Place]) -> str:
    """Between the sides of two boxes that look to the middle; in one column it swings out to there."""
    start, end = places[edge.left], places[edge.right]
    x1, x2 = _inner_side(start, edge.left), _inner_side(end, edge.right)
    same = (start.x - start.middle) * (end.x - end.middle) > 0
    bend = f"Q{start.middle} {(start.y + end.y) // 2} " if same else "L"
    marker = f' marker-end="url(#to-{edge.standing.value})"' if edge.directed else ""
    return f'<path class="edge {edge.standing.value}" d="M{x1} {start.y} {bend}{x2} {end.y}"{marker}/>\n'


def _inner_side(place: _Place, name: str) -> int:
    half = _width(name) // 2
    return place.x + (half if place.x < place.middle else -half if place.x > place.middle else 0)


def standings(picture: Picture) -> Iterator[str]:
    """What the colours mean, as far as they occur."""
    present = {edge.standing for edge in picture.edges} | {node.standing for node in picture.nodes}
    words = {Standing.NEW: "new", Standing.GONE: "gone", Standing.STAYS: "as before"}
    return (f'<span class="key {one.value}">{words[one]}</span>' for one in Standing if one in present)
