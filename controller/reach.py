"""The reachability of a compilation, Services included."""

from __future__ import annotations

from compiler.compilation import Compilation
from compiler.reachability import Reachability, reachability_of, visible_services


def reach_of(compilation: Compilation) -> Reachability:
    """Return who reaches whom; for a refused compilation, without Services."""
    resolution = compilation.resolution
    services = visible_services(compilation.service_plans, compilation.numbers, resolution)
    return reachability_of(compilation.inputs.declarations, resolution, services)
