from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.addresses import AddressStore, Damaged, Elsewhere, Exhausted, Taken
from agent.lease import Lease, LeaseKey
from agent.own_blocks import OwnBlocks
from compiler.model import Address, Prefix
from compiler.names import NetworkNumber, ObjectName
from tests.agent.node import Clock

RED = ObjectName(namespace="team-a", name="red")
V4 = IPv4Network("10.1.0.0/30")
V6 = IPv6Network("fd01::/122")
QUIET = 30.0


def _store(path: Path, clock: Clock | None = None, *, boot: str = "boot-1") -> AddressStore:
    return AddressStore(path, quiet=QUIET, clock=clock or Clock(), boot=boot)


def _key(container: str) -> LeaseKey:
    return LeaseKey(container=container, interface="eth0")


def _blocks(*shared: Prefix, single: tuple[Prefix, ...] = (), ends: tuple[str, ...] = ()) -> OwnBlocks:
    return OwnBlocks(
        shared=shared,
        single=single,
        versions=tuple(sorted({block.version for block in shared + single})),
        ends=frozenset(ip_address(end) for end in ends),
    )


def _hold(
    store: AddressStore,
    container: str,
    blocks: OwnBlocks | None = None,
    *,
    network: int = 1,
    name: ObjectName = RED,
    netns: str = "",
    asked: tuple[Address, ...] = (),
    reserved: frozenset[Address] = frozenset(),
) -> Lease:
    return store.hold(
        _key(container),
        pod=ObjectName(namespace="team-a", name=container),
        network=NetworkNumber(network),
        network_name=name,
        netns=netns or f"/run/netns/{container}",
        blocks=blocks or _blocks(V4),
        asked=asked,
        reserved=reserved,
    )


def _addresses(lease: Lease) -> list[str]:
    return [str(address) for address in lease.attachment.addresses]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "addresses"


def test_addresses_come_in_the_order_of_the_block_all_of_it(path: Path) -> None:
    store = _store(path)
    assert [_addresses(_hold(store, f"c{n}"))[0] for n in range(4)] == [
        "10.1.0.0",
        "10.1.0.1",
        "10.1.0.2",
        "10.1.0.3",
    ]


def test_the_ends_of_an_ipv4_subnet_stay_free(path: Path) -> None:
    store = _store(path)
    blocks = _blocks(V4, ends=("10.1.0.0", "10.1.0.3"))
    held = [_hold(store, container, blocks) for container in ("c1", "c2")]
    assert [_addresses(lease) for lease in held] == [["10.1.0.1"], ["10.1.0.2"]]
    with pytest.raises(Exhausted):
        _hold(store, "c3", blocks)


def test_a_pod_of_a_dual_stack_network_gets_one_address_of_each_family(path: Path) -> None:
    assert _addresses(_hold(_store(path), "c1", _blocks(V6, V4))) == ["10.1.0.0", "fd01::"]


def test_the_same_attachment_gets_the_same_lease(path: Path) -> None:
    store = _store(path)
    assert _hold(store, "c1") == _hold(store, "c1")


def test_a_second_block_is_used_when_the_first_is_full(path: Path) -> None:
    store = _store(path)
    second = IPv4Network("10.1.0.16/30")
    leases = [_hold(store, f"c{n}", _blocks(V4, second)) for n in range(5)]
    assert _addresses(leases[4]) == ["10.1.0.16"]


def test_full_blocks_say_so_with_their_names(path: Path) -> None:
    store = _store(path)
    for n in range(4):
        _hold(store, f"c{n}")
    with pytest.raises(Exhausted) as caught:
        _hold(store, "c5")
    assert str(caught.value) == "network team-a/red has no free IPv4 address on this node, in 10.1.0.0/30"


def test_a_network_without_a_block_of_a_family_is_exhausted_in_it(path: Path) -> None:
    store = _store(path)
    with pytest.raises(Exhausted) as caught:
        _hold(store, "c1", OwnBlocks(shared=(V4,), versions=(4, 6)))
    assert str(caught.value) == "network team-a/red has no free IPv6 address on this node, in no block"
    assert store.leases == {}


def test_a_released_address_waits_until_every_other_was_used(path: Path) -> None:
    clock = Clock()
    store = _store(path, clock)
    _hold(store, "c1")
    store.release(_key("c1"))
    clock.now += QUIET
    assert [_addresses(_hold(store, f"d{n}"))[0] for n in range(4)] == [
        "10.1.0.1",
        "10.1.0.2",
        "10.1.0.3",
        "10.1.0.0",
    ]


def test_of_released_addresses_the_least_recently_released_comes_first(path: Path) -> None:
    clock = Clock()
    store = _store(path, clock)
    for container in ("c0", "c1", "c2", "c3"):
        _hold(store, container)
    for container in ("c2", "c0", "c3"):
        store.release(_key(container))
    store = _store(path, clock)
    clock.now += QUIET
    assert [_addresses(_hold(store, f"d{n}"))[0] for n in range(3)] == ["10.1.0.2", "10.1.0.0", "10.1.0.3"]


def _full(path: Path, clock: Clock) -> AddressStore:
    """All four addresses held, the first one released."""
    store = _store(path, clock)
    for n in range(4):
        _hold(store, f"c{n}")
    store.release(_key("c0"))
    return store


def test_no_address_is_used_again_before_its_quiet_period_is_over(path: Path) -> None:
    clock = Clock(now=1000.0)
    store = _full(path, clock)
    clock.now += QUIET - 0.1
    with pytest.raises(Exhausted) as caught:
        _hold(store, "d")
    assert caught.value.free_at == 1000.0 + QUIET
    assert str(caught.value) == (
        "network team-a/red has no free IPv4 address on this node, in 10.1.0.0/30;"
        " released ones rest for a while"
    )
    clock.now += 0.1
    assert _addresses(_hold(store, "d")) == ["10.1.0.0"]


def test_a_quiet_period_goes_on_over_a_restart(path: Path) -> None:
    clock = Clock(now=1000.0)
    _full(path, clock)
    clock.now += QUIET - 1
    store = _store(path, clock)
    with pytest.raises(Exhausted):
        _hold(store, "d")
    clock.now += 1
    assert _addresses(_hold(store, "d")) == ["10.1.0.0"]


def test_after_a_reboot_every_quiet_period_begins_anew(path: Path) -> None:
    _full(path, Clock(now=100_000.0))
    clock = Clock(now=5.0)
    store = _store(path, clock, boot="boot-2")
    with pytest.raises(Exhausted) as caught:
        _hold(store, "d")
    assert caught.value.free_at == 5.0 + QUIET


def test_an_address_asked_for_is_given_at_once_even_if_it_was_just_released(path: Path) -> None:
    store = _full(path, Clock())
    assert _addresses(_hold(store, "d", asked=(ip_address("10.1.0.0"),))) == ["10.1.0.0"]


def test_an_address_that_another_pod_asks_for_is_given_to_no_other(path: Path) -> None:
    store = _store(path)
    reserved = frozenset({ip_address("10.1.0.0"), ip_address("10.1.0.2")})
    assert [_addresses(_hold(store, f"c{n}", reserved=reserved))[0] for n in range(2)] == [
        "10.1.0.1",
        "10.1.0.3",
    ]
    with pytest.raises(Exhausted):
        _hold(store, "c2", reserved=reserved)
    assert _addresses(_hold(store, "c2")) == ["10.1.0.0"]


def test_a_block_of_one_address_serves_only_the_pod_that_asks_for_it(path: Path) -> None:
    store = _store(path)
    blocks = OwnBlocks(single=(IPv4Network("10.1.0.77/32"),), versions=(4,))
    with pytest.raises(Exhausted):
        _hold(store, "c1", blocks)
    assert _addresses(_hold(store, "c2", blocks, asked=(ip_address("10.1.0.77"),))) == ["10.1.0.77"]


def test_a_dual_stack_pod_that_asks_for_one_family_gets_any_of_the_other(path: Path) -> None:
    lease = _hold(_store(path), "c1", _blocks(V4, V6), asked=(ip_address("fd01::9"),))
    assert _addresses(lease) == ["10.1.0.0", "fd01::9"]


def test_the_second_pod_that_asks_for_an_address_is_told_who_has_it(path: Path) -> None:
    store = _store(path)
    asked = (ip_address("10.1.0.1"),)
    _hold(store, "c1", asked=asked)
    with pytest.raises(Taken) as caught:
        _hold(store, "c2", asked=asked)
    assert str(caught.value) == (
        "address 10.1.0.1 of network team-a/red, that it asks for, is held by pod team-a/c1"
    )
    assert list(store.leases) == [_key("c1")]


def test_an_address_of_another_node_is_not_given(path: Path) -> None:
    with pytest.raises(Elsewhere):
        _hold(_store(path), "c1", asked=(ip_address("10.1.9.1"),))


def test_the_same_attachment_in_another_namespace_keeps_its_address(path: Path) -> None:
    store = _store(path)
    first = _hold(store, "c1")
    again = _hold(store, "c1", netns="/run/netns/other")
    assert (_addresses(again), again.netns) == (_addresses(first), "/run/netns/other")
    assert _store(path).leases == {_key("c1"): again}


def test_flushing_brings_what_was_recorded_to_the_disk_once_for_all_that_wait(path: Path) -> None:
    store = _store(path)
    _hold(store, "c1")
    _hold(store, "c2")
    store.flush()
    path.unlink()  # nothing is opened again: all of it is there already
    store.flush()


def test_after_a_write_that_failed_the_file_is_written_anew(path: Path) -> None:
    store = _store(path)
    _hold(store, "c1")
    path.unlink()
    with pytest.raises(OSError, match="No such file"):
        store.flush()
    with pytest.raises(OSError, match="an earlier write failed"):
        store.flush()
    lease = _hold(store, "c1")
    store.flush()
    assert _store(path).leases == {_key("c1"): lease}


def test_a_choice_does_not_look_through_the_whole_block_each_time(path: Path) -> None:
    store = _store(path)
    large = _blocks(IPv6Network("fd01::/96"))
    for n in range(300):
        _hold(store, f"c{n}", large)
        store.release(_key(f"c{n}"))
    assert _addresses(_hold(store, "d", large)) == ["fd01::12c"]


def test_a_lease_outlives_the_process_with_all_that_is_known_of_it(path: Path) -> None:
    lease = _hold(_store(path), "c1", _blocks(V4, V6))
    assert _store(path).leases == {_key("c1"): lease}
    assert lease.attachment.port == "at" + lease.attachment.port[2:]
    assert lease.netns == "/run/netns/c1"


def test_releasing_what_is_not_held_is_no_change(path: Path) -> None:
    store = _store(path)
    before = path.read_bytes()
    store.release(_key("c1"))
    assert path.read_bytes() == before


def test_a_lease_of_a_former_network_of_that_number_is_not_taken_for_the_new_ones(path: Path) -> None:
    store = _store(path)
    _hold(store, "c1")
    green = ObjectName(namespace="team-b", name="green")
    again = _hold(store, "c1", _blocks(IPv4Network("10.7.0.0/30")), name=green)
    assert _addresses(again) == ["10.7.0.0"]
    assert again.network_name == green


def test_a_damaged_file_is_refused_with_its_line(path: Path) -> None:
    store = _store(path)
    _hold(store, "c1")
    _hold(store, "c2")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"elephant\n" + lines[2])
    with pytest.raises(Damaged, match=r"addresses:2: not a line of this file .* drain the node"):
        _store(path)


@pytest.mark.parametrize("content", [b"", b'{"format":"atoll-addr', b"{}\n", b'{"format":"other/1"}\n'])
def test_a_file_that_never_was_ours_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(Damaged, match=r"addresses:1: "):
        _store(path)


def test_a_crash_at_any_byte_of_a_write_loses_at_most_what_nobody_was_told_of(path: Path) -> None:
    store = _store(path)
    told = [_hold(store, "c1"), _hold(store, "c2")]
    before = len(path.read_bytes())
    last = _hold(store, "c3")
    content = path.read_bytes()
    for length in range(before, len(content)):
        path.write_bytes(content[:length])
        survivor = _store(path)
        assert list(survivor.leases.values()) == told
        assert _addresses(_hold(survivor, "c4")) == _addresses(last)


def test_the_file_does_not_grow_without_bound(path: Path) -> None:
    clock = Clock()
    store = _store(path, clock)
    for _ in range(600):
        _hold(store, "c1")
        store.release(_key("c1"))
        clock.now += QUIET
    assert len(path.read_bytes().splitlines()) < 1100
    assert [str(a) for a in _hold(store, "c1").attachment.addresses] == ["10.1.0.0"]


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=40))
def test_no_two_leases_ever_share_an_address_and_a_restart_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, bool]]
) -> None:
    path = tmp_path_factory.mktemp("store") / "addresses"
    clock = Clock()
    store = _store(path, clock)
    block = IPv4Network("10.1.0.0/29")
    for number, hold in steps:
        clock.now += QUIET
        if hold:
            try:
                _hold(store, f"c{number}", _blocks(block))
            except Exhausted:
                assert len(store.leases) == 8
        else:
            store.release(_key(f"c{number}"))
        held = [a for lease in store.leases.values() for a in lease.attachment.addresses]
        assert len(held) == len(set(held))
    assert _store(path, clock).leases == store.leases
    probe = _key("probe")
    clock.now += QUIET
    if len(store.leases) < 8:
        assert _hold(store, "probe", _blocks(block)) == _store(path, clock).leases[probe]
    assert all(a in block for lease in store.leases.values() for a in lease.attachment.addresses)
    assert ip_address("10.1.0.8") not in block
