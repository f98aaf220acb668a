"""Generated declarations for laws: a few namespaces, networks and routers whose selectors often meet."""

from __future__ import annotations

from hypothesis import strategies as st

from compiler.model import LabelSelector, VirtualNetwork, VirtualNetworkRouter
from tests.compiler.declared import EVERYTHING, network, router, where

SPACES = ("a", "b", "c")
TIERS = ("web", "db")

_tiers = st.sampled_from(TIERS)
_selectors: st.SearchStrategy[LabelSelector] = st.one_of(
    st.just(EVERYTHING), _tiers.map(lambda tier: where(tier=tier))
)
_spaces = st.one_of(
    st.none(),
    st.just(EVERYTHING),
    st.sampled_from(SPACES).map(lambda space: where(**{"kubernetes.io/metadata.name": space})),
)


@st.composite
def networks(draw: st.DrawFn) -> tuple[VirtualNetwork, ...]:
    """Subnets are drawn from few, so that they overlap often, in both families."""
    drawn = draw(
        st.lists(
            st.tuples(st.sampled_from(SPACES), _tiers, st.integers(0, 5)),
            min_size=1,
            max_size=7,
        )
    )
    return tuple(
        network(f"{space}/n{i}", f"10.{third}.0.0/16", f"fd00:{third}::/64", line=10 * i + 1, tier=tier)
        for i, (space, tier, third) in enumerate(drawn)
    )


@st.composite
def routers(draw: st.DrawFn) -> tuple[VirtualNetworkRouter, ...]:
    drawn = draw(
        st.lists(
            st.tuples(
                st.sampled_from(SPACES),
                st.sampled_from(("mesh", "hub", "spoke")),
                _selectors,
                st.lists(st.tuples(_selectors, _spaces), max_size=2),
                _tiers,
            ),
            max_size=6,
        )
    )
    return tuple(
        router(f"{space}/r{i}", kind, selector, imports=imports, line=10 * i + 1, tier=tier)
        for i, (space, kind, selector, imports, tier) in enumerate(drawn)
    )
