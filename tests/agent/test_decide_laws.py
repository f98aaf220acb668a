"""Whatever the two layouts: what is decided leads from one to the other, and then nothing is left."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from agent.decide import decide
from agent.fake_kernel import FakeKernel
from compiler.layering import base_layout
from compiler.layout import Layout
from compiler.plan import NetworkPlan
from tests.compiler.sample_plans import network, node_plan


def _network(number: int, *, alone: bool) -> NetworkPlan:
    subnet = f"10.{number}.0.0/16"
    blocks = f"10.{number}.0.0/28@1" + ("" if alone else f" 10.{number}.0.16/28@2")
    return network(number, f"team/n{number}", subnet, blocks)


def _layout(chosen: dict[int, bool]) -> Layout:
    """Of networks by number, with another node or alone."""
    networks = tuple(_network(number, alone=alone) for number, alone in sorted(chosen.items()))
    return base_layout(replace(node_plan(services=(), isolated=()), networks=networks))


layouts = st.dictionaries(st.integers(1, 5), st.booleans(), max_size=5).map(_layout)


@given(st.lists(layouts, min_size=1, max_size=4), st.data())
def test_decided_actions_lead_to_the_desired_layout_whatever_was_before(
    steps: list[Layout], data: st.DataObject
) -> None:
    kernel = FakeKernel()
    for desired in steps:
        kernel.apply(decide(desired, kernel.observe()))
        observation = kernel.observe()
        assert (observation.layout.links, observation.layout.routes) == (desired.links, desired.routes)
        assert decide(desired, observation) == ()
        up = sorted(name for name in kernel.links if name not in kernel.down)
        if up and data.draw(st.sampled_from((True, False))):
            kernel.set_down(data.draw(st.sampled_from(up)))
            kernel.apply(decide(desired, kernel.observe()))
            assert decide(desired, kernel.observe()) == ()
    assert not kernel.cut_off
