from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.addresses import AddressStore, Damaged, Exhausted, Lease, LeaseKey
from compiler.model import Prefix
from compiler.names import NetworkNumber, ObjectName

RED = ObjectName(namespace="team-a", name="red")
V4 = IPv4Network("10.1.0.0/30")
V6 = IPv6Network("fd01::/122")


SUBNETS: dict[int, Prefix] = {4: IPv4Network("10.0.0.0/8"), 6: IPv6Network("fd01::/64")}


def _key(container: str) -> LeaseKey:
    return LeaseKey(container=container, interface="eth0")


def _hold(
    store: AddressStore, container: str, *blocks: Prefix, network: int = 1, name: ObjectName = RED
) -> Lease:
    return store.hold(
        _key(container),
        pod=ObjectName(namespace="team-a", name=container),
        network=NetworkNumber(network),
        network_name=name,
        netns=f"/run/netns/{container}",
        blocks=blocks or (V4,),
        subnets=[SUBNETS[block.version] for block in blocks or (V4,)],
    )


def _addresses(lease: Lease) -> list[str]:
    return [str(address) for address in lease.attachment.addresses]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "addresses"


def test_addresses_come_in_the_order_of_the_block_all_of_it(path: Path) -> None:
    store = AddressStore(path)
    assert [_addresses(_hold(store, f"c{n}"))[0] for n in range(4)] == [
        "10.1.0.0",
        "10.1.0.1",
        "10.1.0.2",
        "10.1.0.3",
    ]


def test_the_ends_of_an_ipv4_subnet_stay_free(path: Path) -> None:
    store = AddressStore(path)
    held = [
        store.hold(
            _key(container),
            pod=RED,
            network=NetworkNumber(1),
            network_name=RED,
            netns="/run/netns/c",
            blocks=[V4],
            subnets=[V4],
        )
        for container in ("c1", "c2")
    ]
    assert [_addresses(lease) for lease in held] == [["10.1.0.1"], ["10.1.0.2"]]
    with pytest.raises(Exhausted):
        store.hold(
            _key("c3"),
            pod=RED,
            network=NetworkNumber(1),
            network_name=RED,
            netns="/run/netns/c",
            blocks=[V4],
            subnets=[V4],
        )


def test_a_pod_of_a_dual_stack_network_gets_one_address_of_each_family(path: Path) -> None:
    assert _addresses(_hold(AddressStore(path), "c1", V6, V4)) == ["10.1.0.0", "fd01::"]


def test_the_same_attachment_gets_the_same_lease(path: Path) -> None:
    store = AddressStore(path)
    assert _hold(store, "c1") == _hold(store, "c1")


def test_a_second_block_is_used_when_the_first_is_full(path: Path) -> None:
    store = AddressStore(path)
    second = IPv4Network("10.1.0.16/30")
    leases = [_hold(store, f"c{n}", V4, second) for n in range(5)]
    assert _addresses(leases[4]) == ["10.1.0.16"]


def test_full_blocks_say_so_with_their_names(path: Path) -> None:
    store = AddressStore(path)
    for n in range(4):
        _hold(store, f"c{n}")
    with pytest.raises(Exhausted) as caught:
        _hold(store, "c5")
    assert str(caught.value) == "network team-a/red has no free IPv4 address on this node, in 10.1.0.0/30"


def test_a_network_without_a_block_of_a_family_is_exhausted_in_it(path: Path) -> None:
    store = AddressStore(path)
    with pytest.raises(Exhausted) as caught:
        store.hold(
            _key("c1"),
            pod=RED,
            network=NetworkNumber(1),
            network_name=RED,
            netns="/run/netns/c1",
            blocks=[V4],
            subnets=list(SUBNETS.values()),
        )
    assert str(caught.value) == "network team-a/red has no free IPv6 address on this node, in no block"
    assert store.leases == {}


def test_a_released_address_waits_until_every_other_was_used(path: Path) -> None:
    store = AddressStore(path)
    _hold(store, "c1")
    store.release(_key("c1"))
    assert [_addresses(_hold(store, f"d{n}"))[0] for n in range(4)] == [
        "10.1.0.1",
        "10.1.0.2",
        "10.1.0.3",
        "10.1.0.0",
    ]


def test_of_released_addresses_the_least_recently_released_comes_first(path: Path) -> None:
    store = AddressStore(path)
    for container in ("c0", "c1", "c2", "c3"):
        _hold(store, container)
    for container in ("c2", "c0", "c3"):
        store.release(_key(container))
    store = AddressStore(path)
    assert [_addresses(_hold(store, f"d{n}"))[0] for n in range(3)] == ["10.1.0.2", "10.1.0.0", "10.1.0.3"]


def test_a_lease_outlives_the_process_with_all_that_is_known_of_it(path: Path) -> None:
    lease = _hold(AddressStore(path), "c1", V4, V6)
    assert AddressStore(path).leases == {_key("c1"): lease}
    assert lease.attachment.port == "at" + lease.attachment.port[2:]
    assert lease.netns == "/run/netns/c1"


def test_releasing_what_is_not_held_is_no_change(path: Path) -> None:
    store = AddressStore(path)
    before = path.read_bytes()
    store.release(_key("c1"))
    assert path.read_bytes() == before


def test_a_lease_of_a_former_network_of_that_number_is_not_taken_for_the_new_ones(path: Path) -> None:
    store = AddressStore(path)
    _hold(store, "c1")
    green = ObjectName(namespace="team-b", name="green")
    again = _hold(store, "c1", IPv4Network("10.7.0.0/30"), name=green)
    assert _addresses(again) == ["10.7.0.0"]
    assert again.network_name == green


def test_a_damaged_file_is_refused_with_its_line(path: Path) -> None:
    store = AddressStore(path)
    _hold(store, "c1")
    _hold(store, "c2")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"elephant\n" + lines[2])
    with pytest.raises(Damaged, match=r"addresses:2: not a line of this file .* drain the node"):
        AddressStore(path)


@pytest.mark.parametrize("content", [b"", b'{"format":"atoll-addr', b"{}\n", b'{"format":"other/1"}\n'])
def test_a_file_that_never_was_ours_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(Damaged, match=r"addresses:1: "):
        AddressStore(path)


def test_a_crash_at_any_byte_of_a_write_loses_at_most_what_nobody_was_told_of(path: Path) -> None:
    store = AddressStore(path)
    told = [_hold(store, "c1"), _hold(store, "c2")]
    before = len(path.read_bytes())
    last = _hold(store, "c3")
    content = path.read_bytes()
    for length in range(before, len(content)):
        path.write_bytes(content[:length])
        survivor = AddressStore(path)
        assert list(survivor.leases.values()) == told
        assert _addresses(_hold(survivor, "c4")) == _addresses(last)


def test_the_file_does_not_grow_without_bound(path: Path) -> None:
    store = AddressStore(path)
    for _ in range(600):
        _hold(store, "c1")
        store.release(_key("c1"))
    assert len(path.read_bytes().splitlines()) < 1100
    assert [str(a) for a in _hold(store, "c1").attachment.addresses] == ["10.1.0.0"]


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=40))
def test_no_two_leases_ever_share_an_address_and_a_restart_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, bool]]
) -> None:
    path = tmp_path_factory.mktemp("store") / "addresses"
    store = AddressStore(path)
    block = IPv4Network("10.1.0.0/29")
    for number, hold in steps:
        if hold:
            try:
                _hold(store, f"c{number}", block)
            except Exhausted:
                assert len(store.leases) == 8
        else:
            store.release(_key(f"c{number}"))
        held = [a for lease in store.leases.values() for a in lease.attachment.addresses]
        assert len(held) == len(set(held))
    assert AddressStore(path).leases == store.leases
    probe = _key("probe")
    if len(store.leases) < 8:
        assert _hold(store, "probe", block) == AddressStore(path).leases[probe]
    assert all(a in block for lease in store.leases.values() for a in lease.attachment.addresses)
    assert ip_address("10.1.0.8") not in block
