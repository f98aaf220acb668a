"""Both kernels, the real and the simulated, keep the promises of `agent.kernel.Kernel`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from agent.actions import CreateLink, Entry, Put, Remove, RemoveGroup, RemoveLink, SetLink
from agent.decide import decide
from agent.kernel import KernelRefused, PodEnd
from compiler.device_names import port_name
from compiler.layering import attachment_layout, base_layout, union
from compiler.layout import Layout, Link, LinkKind, Neighbour, Route, Rule
from compiler.plan import NodePlan
from tests.compiler.sample_plans import attachment, node_plan
from tests.contracts.kernels import Bench, FakeBench, real_bench, without_vrfs

NOTHING = union(())


@pytest.fixture(params=["fake", "real"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    if request.param == "fake":
        yield FakeBench()
    else:
        with real_bench() as real:
            yield real


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.kernel)])
def vrf_bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """The same, where VRFs exist."""
    if request.param == "fake":
        yield FakeBench()
    else:
        with real_bench() as real:
            _skip_without_vrf(real)
            yield real


def _skip_without_vrf(bench: Bench) -> None:
    probe = Link(name="vn9", kind=LinkKind.VRF, group=9, mac="0a:44:00:00:00:01", mtu=65575, table=9)
    try:
        bench.kernel.apply([CreateLink(link=probe), RemoveLink(name="vn9")])
    except KernelRefused:
        pytest.skip("this kernel has no VRF (`modprobe vrf`); `make test` runs this in a virtual machine")


def _bring_about(bench: Bench, layout: Layout) -> None:
    bench.kernel.apply(decide(layout, bench.kernel.observe()))


def _base(plan: NodePlan) -> Layout:
    return without_vrfs(base_layout(plan))


def test_a_layout_applied_is_the_layout_observed(bench: Bench) -> None:
    layout = _base(node_plan())
    _bring_about(bench, layout)
    assert bench.kernel.observe().layout == layout


def test_a_layout_with_vrfs_applied_is_the_layout_observed(vrf_bench: Bench) -> None:
    layout = base_layout(node_plan())
    _bring_about(vrf_bench, layout)
    assert vrf_bench.kernel.observe().layout == layout


def test_a_layout_of_an_ipv6_underlay_applied_is_the_layout_observed(bench: Bench) -> None:
    remotes = tuple(replace(remote, address=ip_address("2001:db8::2")) for remote in node_plan().remotes)
    layout = _base(node_plan(address=ip_address("2001:db8::1"), remotes=remotes))
    _bring_about(bench, layout)
    assert bench.kernel.observe().layout == layout


def test_going_from_one_layout_to_another_leaves_nothing_of_the_first(vrf_bench: Bench) -> None:
    full = node_plan()
    smaller = base_layout(node_plan(*full.networks[2:]))
    _bring_about(vrf_bench, base_layout(full))
    _bring_about(vrf_bench, smaller)
    assert vrf_bench.kernel.observe().layout == smaller


def test_leaving_every_network_restores_the_kernels_own_rules(vrf_bench: Bench) -> None:
    before = vrf_bench.kernel.observe()
    _bring_about(vrf_bench, base_layout(node_plan()))
    _bring_about(vrf_bench, NOTHING)
    assert vrf_bench.kernel.observe() == before
    assert before.layout.rules == {
        Rule(family=4, priority=0, table=255),
        Rule(family=6, priority=0, table=255),
    }


def test_the_local_tables_rule_goes_behind_ours_whoever_put_it_there() -> None:
    with real_bench() as bench:
        bench.change_rules("delete pref 0", "add pref 0 lookup local")
        _bring_about(bench, _base(node_plan()))
        assert not [rule for rule in bench.rules() if rule.startswith("0:")]


def test_a_rule_before_all_that_is_not_for_everything_is_somebody_elses() -> None:
    with real_bench() as bench:
        foreign = "0:\tfrom 192.0.2.9 lookup local"
        bench.change_rules("add pref 0 from 192.0.2.9 lookup local")
        layout = _base(node_plan())
        _bring_about(bench, layout)
        assert foreign in bench.rules()
        assert bench.kernel.observe().layout == layout


def test_a_link_brought_down_by_another_hand_is_seen_and_mended_with_its_routes(bench: Bench) -> None:
    layout = _base(node_plan())
    _bring_about(bench, layout)
    bench.set_down("vx1")
    assert bench.kernel.observe().down == {"vx1"}
    _bring_about(bench, layout)
    assert bench.kernel.observe().layout == layout
    assert bench.kernel.observe().down == frozenset()


def test_attributes_changed_by_another_hand_are_mended(bench: Bench) -> None:
    layout = _base(node_plan())
    _bring_about(bench, layout)
    vxlan = next(link for link in layout.links if link.name == "vx1")
    bench.kernel.apply([SetLink(link=replace(vxlan, group=3, mtu=1300))])
    assert bench.kernel.observe().layout != layout
    _bring_about(bench, layout)
    assert bench.kernel.observe().layout == layout


def test_a_foreign_device_in_the_way_is_named_and_kept(bench: Bench) -> None:
    bench.add_foreign_link("vx1", 0)
    before = bench.settings_of("vx1")
    vxlan = next(link for link in _base(node_plan()).links if link.name == "vx1")
    with pytest.raises(KernelRefused) as caught:
        bench.kernel.apply([CreateLink(link=vxlan)])
    assert str(caught.value) == (
        "create vxlan vx1 group 1 vni 1000001 local 192.168.0.1:"
        " a device named vx1 exists and is not Atoll's: rename or remove it"
    )
    assert bench.foreign_links() == {"vx1"}
    assert bench.settings_of("vx1") == before


def test_a_foreign_device_in_a_group_of_ours_is_seen(bench: Bench) -> None:
    bench.add_foreign_link("other0", 7)
    observation = bench.kernel.observe()
    assert observation.foreign_groups == {7}
    assert observation.layout.links == frozenset()


def test_an_action_that_fails_is_named_and_the_others_run(bench: Bench) -> None:
    _bring_about(bench, _base(node_plan()))
    lost = Neighbour(link="vx77", address=ip_address("fe80::7"), mac="0a:41:00:07:00:4d")
    kept = Neighbour(link="vx1", address=ip_address("fe80::7"), mac="0a:41:00:07:00:01")
    with pytest.raises(KernelRefused) as caught:
        bench.kernel.apply([Put(entry=lost), Put(entry=kept)])
    assert [str(failure) for failure in caught.value.failures] == [
        "put neighbour fe80::7 lladdr 0a:41:00:07:00:4d dev vx77: link vx77 does not exist"
    ]
    assert kept in bench.kernel.observe().layout.neighbours


def test_putting_a_route_replaces_the_one_with_its_key(bench: Bench) -> None:
    _bring_about(bench, _base(node_plan()))
    old = Route(table=1000001, prefix=ip_network("10.9.0.0/24"), link="vx1", via=ip_address("fe80::2"))
    new = replace(old, via=ip_address("fe80::3"))
    bench.kernel.apply([Put(entry=old), Put(entry=new)])
    routes = bench.kernel.observe().layout.routes
    assert new in routes
    assert old not in routes


def test_removing_what_is_gone_already_is_no_failure(bench: Bench) -> None:
    route = Route(table=1000001, prefix=ip_network("10.9.0.0/24"), link="vx1", via=ip_address("fe80::2"))
    bench.kernel.apply([Remove(entry=route), RemoveLink(name="vx1")])
    _bring_about(bench, _base(node_plan()))
    bench.kernel.apply([Remove(entry=route)])


def test_a_group_is_removed_as_a_whole_and_nothing_else(bench: Bench) -> None:
    _bring_about(bench, _base(node_plan()))
    bench.add_foreign_link("other0", 0)
    bench.kernel.apply([RemoveGroup(group=1)])
    names = {link.name for link in bench.kernel.observe().layout.links}
    assert names == {"vx2", "ah1", "vx3", "ah3"}
    assert bench.foreign_links() == {"other0"}


def _port_and_end(netns: str, *, address: str = "10.1.0.3") -> tuple[Layout, Link, PodEnd]:
    pod = replace(attachment(1, address, "fd01::3"), port=port_name("c1", "eth0"))
    layout = without_vrfs(attachment_layout(node_plan(), pod))
    (port,) = layout.links
    end = PodEnd(netns=netns, interface="eth0", mac=pod.mac, mtu=port.mtu, addresses=pod.addresses)
    return layout, port, end


def _attach(bench: Bench, layout: Layout, port: Link, end: PodEnd) -> None:
    entries: list[Entry] = [*layout.neighbours, *layout.routes]
    bench.kernel.plug(port, end)
    bench.kernel.apply([SetLink(link=port), *(Put(entry=entry) for entry in entries)])


def test_a_pod_plugged_in_is_complete_and_its_layout_is_observed(bench: Bench) -> None:
    base = _base(node_plan())
    _bring_about(bench, base)
    layout, port, end = _port_and_end(bench.new_pod())
    _attach(bench, layout, port, end)
    assert bench.kernel.pod_problem(end) is None
    assert bench.kernel.observe().layout == union([base, layout])


def test_removing_a_port_removes_the_pods_end(bench: Bench) -> None:
    _bring_about(bench, _base(node_plan()))
    layout, port, end = _port_and_end(bench.new_pod())
    _attach(bench, layout, port, end)
    bench.kernel.apply([RemoveLink(name=port.name)])
    assert bench.kernel.pod_problem(end) == f"eth0 does not exist in {end.netns}"


def test_plugging_again_replaces_the_former_port(bench: Bench) -> None:
    base = _base(node_plan())
    _bring_about(bench, base)
    layout, port, end = _port_and_end(bench.new_pod())
    _attach(bench, layout, port, end)
    _attach(bench, layout, port, end)
    assert bench.kernel.pod_problem(end) is None
    assert bench.kernel.observe().layout == union([base, layout])


def test_a_pod_end_that_is_not_as_it_was_made_is_told(bench: Bench) -> None:
    _bring_about(bench, _base(node_plan()))
    layout, port, end = _port_and_end(bench.new_pod())
    _attach(bench, layout, port, end)
    other = replace(end, mac="0a:50:00:00:00:02")
    assert bench.kernel.pod_problem(other) == "eth0 is down, or is not the interface that ADD made"


def test_a_port_into_no_namespace_is_refused_and_leaves_nothing(bench: Bench) -> None:
    base = _base(node_plan())
    _bring_about(bench, base)
    _, port, end = _port_and_end("/run/netns/there-is-none")
    with pytest.raises(KernelRefused) as caught:
        bench.kernel.plug(port, end)
    assert str(caught.value) == (
        f"create pod port {port.name} and eth0 in /run/netns/there-is-none:"
        " network namespace /run/netns/there-is-none: No such file or directory"
    )
    assert bench.kernel.observe().layout == base


def test_a_port_is_refused_where_the_pod_has_such_an_interface(bench: Bench) -> None:
    netns = bench.new_pod()
    _, first, end = _port_and_end(netns)
    bench.kernel.plug(first, end)
    second = replace(first, name=port_name("c2", "eth0"))
    with pytest.raises(KernelRefused, match=r"eth0 in .*: File exists"):
        bench.kernel.plug(second, end)
    assert {link.name for link in bench.kernel.observe().layout.links} == {first.name}


def test_putting_a_pods_entries_once_more_changes_nothing(bench: Bench) -> None:
    base = _base(node_plan())
    _bring_about(bench, base)
    layout, port, end = _port_and_end(bench.new_pod())
    _attach(bench, layout, port, end)
    before = bench.kernel.observe()
    bench.kernel.apply([SetLink(link=port, was=port), *(Put(entry=entry) for entry in layout.routes)])
    assert bench.kernel.observe() == before
    assert bench.kernel.pod_problem(end) is None


def test_a_namespace_that_is_there_is_told_from_one_that_is_not(bench: Bench) -> None:
    assert bench.kernel.has_namespace(bench.new_pod())
    assert not bench.kernel.has_namespace("/run/netns/there-is-none")
