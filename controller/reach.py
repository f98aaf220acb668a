"""The reachability of a compilation, Services included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from compiler.compilation import Compilation
from compiler.names import ObjectName
from compiler.reachability import Reachability, reachability_of, reachability_text, visible_services
from compiler.resolve import Resolution


@dataclass(frozen=True, kw_only=True, slots=True)
class Reach:
    """Reachability as a value and as text, and what it follows from."""

    reachability: Reachability
    text: str
    resolution: Resolution = field(repr=False)
    services: Mapping[ObjectName, tuple[ObjectName, ...]] = field(repr=False)


def reach_of(compilation: Compilation, earlier: Reach | None = None) -> Reach:
    """Return who reaches whom; the earlier value where all that it follows from is the same."""
    resolution = compilation.resolution
    services = visible_services(compilation.service_plans, compilation.numbers, resolution)
    if earlier and earlier.resolution is resolution and earlier.services == services:
        return earlier
    reachability = reachability_of(compilation.inputs.declarations, resolution, services)
    text = reachability_text(reachability)
    return Reach(reachability=reachability, text=text, resolution=resolution, services=services)
