"""The names of series, as Prometheus knows them."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, disable_created_metrics

# A second series beside each counter and histogram, with the time of its making: the process's start.
disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no annotation

_SUFFIXES: Final = {
    "counter": ("_total",),
    "histogram": ("_bucket", "_count", "_sum"),
    "info": ("_info",),
    "gauge": ("",),
}


def series_of(registry: CollectorRegistry) -> frozenset[str]:
    """Return the name of every series that a registry exposes, such as `..._bucket` of a histogram."""
    families = registry.collect()
    return frozenset(family.name + suffix for family in families for suffix in _SUFFIXES[family.type])
