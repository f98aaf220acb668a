from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

from agent.actions import CreateLink, Put, Remove, RemoveGroup, RemoveLink, SetLink
from agent.decide import decide, missing_ports
from agent.kernel import Observation
from compiler.device_names import port_name
from compiler.layering import base_layout, layout_of, union
from compiler.layout import Layout, Link, LinkKind, Route, Rule
from compiler.names import NetworkNumber
from tests.compiler.sample_plans import GREEN, RED, attachment, node_plan

KERNEL_RULES = frozenset({Rule(family=4, priority=0, table=255), Rule(family=6, priority=0, table=255)})
EMPTY = replace(union(()), rules=KERNEL_RULES)
PLAN = node_plan()
BASE = base_layout(PLAN)


def _decided(desired: Layout, observed: Layout, **more: object) -> list[str]:
    observation = Observation(layout=observed, **more)  # type: ignore[arg-type]  # keywords by name
    return [str(action) for action in decide(desired, observation)]


def _link(layout: Layout, name: str) -> Link:
    return next(link for link in layout.links if link.name == name)


def _changed(layout: Layout, name: str, **changes: object) -> Layout:
    link = _link(layout, name)
    return replace(layout, links=layout.links - {link} | {replace(link, **changes)})  # type: ignore[arg-type]


def test_equal_layouts_need_nothing() -> None:
    assert _decided(BASE, BASE) == []


def test_a_node_with_nothing_and_a_plan_with_nothing_need_nothing() -> None:
    assert _decided(union(()), EMPTY) == []


def test_everything_comes_in_an_order_that_a_kernel_accepts() -> None:
    plan = node_plan(GREEN)
    assert _decided(base_layout(plan), EMPTY) == [
        "put rule -4 pref 50 l3mdev",
        "put rule -4 pref 60 lookup 255",
        "put rule -4 pref 61 iif lo lookup 1000000",
        "put rule -6 pref 50 l3mdev",
        "put rule -6 pref 60 lookup 255",
        "put rule -6 pref 61 iif lo lookup 1000000",
        "remove rule -4 pref 0 lookup 255",
        "remove rule -6 pref 0 lookup 255",
        "create vrf vn3 group 3 (team-b.green) table 1000003",
        "create vxlan vx3 group 3 vni 1000003 local 192.168.0.1 master vn3",
        "create host link ah3 group 65539 peer hh3 master vn3",
        "put address 100.64.0.6/31 dev hh3",
        "put address 100.64.0.7/31 dev ah3",
        "put neighbour 100.64.0.6 lladdr 0a:43:00:00:00:03 dev ah3",
        "put neighbour 100.64.0.7 lladdr 0a:42:00:00:00:03 dev hh3",
        "put neighbour fe80::2 lladdr 0a:41:00:02:00:03 dev vx3",
        "put fdb 0a:41:00:02:00:03 dst 192.168.0.2 dev vx3",
        "put route 0.0.0.0/0 dev vn3 table 1000003 metric 4278198272",
        "put route 10.1.0.0/28 via fe80::2 dev vx3 table 1000003",
        "put route ::/0 dev vn3 table 1000003 metric 4278198272",
    ]


def test_a_network_goes_in_one_message_for_its_group_and_one_for_its_host_link() -> None:
    assert _decided(base_layout(node_plan(RED)), base_layout(node_plan(RED, GREEN))) == [
        "remove links of group 3",
        "remove link ah3",
    ]


def test_a_group_that_holds_a_foreign_device_goes_one_link_at_a_time() -> None:
    decided = _decided(
        base_layout(node_plan(RED)), base_layout(node_plan(RED, GREEN)), foreign_groups=frozenset({3})
    )
    assert decided[:3] == ["remove link vn3", "remove link vx3", "remove link ah3"]


def test_leaving_the_last_network_brings_the_kernels_rule_back_before_ours_go() -> None:
    rules = [line for line in _decided(union(()), BASE) if " rule " in line]
    assert rules == [
        "put rule -4 pref 0 lookup 255",
        "put rule -6 pref 0 lookup 255",
        "remove rule -4 pref 50 l3mdev",
        "remove rule -4 pref 60 lookup 255",
        "remove rule -4 pref 61 iif lo lookup 1000000",
        "remove rule -6 pref 50 l3mdev",
        "remove rule -6 pref 60 lookup 255",
        "remove rule -6 pref 61 iif lo lookup 1000000",
    ]


def test_a_lost_route_is_put_back_alone() -> None:
    lost = Route(
        table=1000003,
        prefix=ip_network("10.1.0.0/28"),
        link="vx3",
        via=next(r.via for r in BASE.routes if r.link == "vx3"),
    )
    assert _decided(BASE, replace(BASE, routes=BASE.routes - {lost})) == [str(Put(entry=lost))]


def test_a_route_to_elsewhere_is_replaced_without_a_gap() -> None:
    right = next(route for route in BASE.routes if route.link == "vx3")
    wrong = replace(right, link="vx1")
    observed = replace(BASE, routes=BASE.routes - {right} | {wrong})
    assert _decided(BASE, observed) == [str(Put(entry=right))]


def test_a_surplus_route_is_removed() -> None:
    surplus = Route(table=1000003, prefix=ip_network("10.9.0.0/24"), link="vx3")
    observed = replace(BASE, routes=BASE.routes | {surplus})
    assert _decided(BASE, observed) == [str(Remove(entry=surplus))]


def test_a_link_with_another_mtu_is_set_and_keeps_its_routes() -> None:
    observed = _changed(BASE, "vx3", mtu=1300)
    assert decide(BASE, Observation(layout=observed)) == (
        SetLink(link=_link(BASE, "vx3"), was=_link(observed, "vx3")),
    )


def test_a_link_outside_its_vrf_is_enslaved_before_its_routes_come_back() -> None:
    decided = _decided(BASE, _changed(BASE, "vx3", master=None))
    assert decided[0].startswith("set vxlan vx3")
    assert "put route 10.1.0.0/28 via fe80::2 dev vx3 table 1000003" in decided[1:]


def test_a_link_that_is_down_is_brought_up_and_its_entries_put_again() -> None:
    decided = _decided(BASE, BASE, down=frozenset({"hh3"}))
    assert decided[0].startswith("set host link ah3")
    assert "put address 100.64.0.6/31 dev hh3" in decided[1:]


def test_a_link_of_the_right_name_and_the_wrong_vni_is_made_anew_with_its_entries() -> None:
    decided = _decided(BASE, _changed(BASE, "vx3", vni=77))
    assert decided[:2] == [
        "remove link vx3",
        "create vxlan vx3 group 3 vni 1000003 local 192.168.0.1 master vn3",
    ]
    assert "put fdb 0a:41:00:02:00:03 dst 192.168.0.2 dev vx3" in decided


def test_a_vrf_made_anew_takes_its_slaves_back() -> None:
    decided = _decided(BASE, _changed(BASE, "vn3", table=77))
    assert decided[:2] == [
        "remove link vn3",
        "create vrf vn3 group 3 (team-b.green) table 1000003",
    ]
    assert decided[2].startswith("set vxlan vx3")
    assert decided[3].startswith("set host link ah3")
    assert "put route 10.1.0.0/28 via fe80::2 dev vx3 table 1000003" in decided[4:]


def test_a_lingering_network_keeps_everything() -> None:
    desired, observed = base_layout(node_plan(RED)), base_layout(node_plan(RED, GREEN))
    observation = Observation(layout=observed)
    assert decide(desired, observation, lingering=frozenset({NetworkNumber(3)})) == ()


def test_the_last_network_lingers_with_what_all_networks_share() -> None:
    observation = Observation(layout=base_layout(node_plan(GREEN)))
    assert decide(union(()), observation, lingering=frozenset({NetworkNumber(3)})) == ()


def test_a_pod_port_that_is_gone_is_left_out_with_what_hangs_on_it() -> None:
    pod = replace(attachment(1, "10.1.0.3"), port=port_name("c1", "eth0"))
    desired = layout_of(PLAN, [pod])
    assert _decided(desired, BASE) == [
        "put route 10.1.0.3/32 via 100.64.0.3 dev hh1 table 1000000 src 100.64.0.2"
    ]
    assert missing_ports(desired, Observation(layout=BASE)) == {pod.port}


def test_a_pod_port_that_nobody_holds_is_removed() -> None:
    pod = replace(attachment(1, "10.1.0.3"), port=port_name("c1", "eth0"))
    decided = _decided(BASE, layout_of(PLAN, [pod]))
    assert decided[0] == f"remove link {pod.port}"
    assert all(line.startswith("remove route 10.1.0.3/32 via 100.64.0.3") for line in decided[1:])


def test_an_alternative_name_that_the_kernel_cannot_hold_is_not_missed() -> None:
    desired = _changed(BASE, "vn3", alt_name="n" * 128)
    observed = _changed(BASE, "vn3", alt_name=None)
    assert _decided(desired, observed) == []


def test_actions_print_as_what_they_do() -> None:
    port = Link(
        name="at0123456789ab",
        kind=LinkKind.POD_PORT,
        group=1,
        mac="0a:44:00:00:00:01",
        mtu=1450,
        master="vn1",
    )
    assert str(SetLink(link=port)) == "set pod port at0123456789ab group 1 master vn1"
    assert str(CreateLink(link=_link(BASE, "vn3"))) == "create vrf vn3 group 3 (team-b.green) table 1000003"
    assert str(RemoveLink(name="vx1")) == "remove link vx1"
    assert str(RemoveGroup(group=1)) == "remove links of group 1"
