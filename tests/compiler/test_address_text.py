"""Addresses as text: what `ipaddress` says, sooner, and nothing that it would not take."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.address_text import Zoned, address_text, parse_address, parse_prefix, prefix_text
from compiler.model import Address

addresses = st.ip_addresses()
written = st.one_of(
    st.text(alphabet="0123456789abfF:./%x ", max_size=20),
    addresses.map(str),
    st.tuples(addresses, st.integers(0, 140)).map(lambda pair: f"{pair[0]}/{pair[1]}"),
    st.tuples(addresses, st.sampled_from(["/", "/ 8", "/+8", "/08", "/255.0.0.0", "/٨"])).map(
        lambda pair: f"{pair[0]}{pair[1]}"
    ),
)


@given(addresses)
def test_an_address_is_written_and_read_as_ever(address: Address) -> None:
    assert parse_address(str(address)) == address
    assert parse_address(address_text(address)) == address


@pytest.mark.parametrize("zero", list(product((True, False), repeat=8)))
def test_the_longest_run_of_zeros_is_left_out(zero: tuple[bool, ...]) -> None:
    for group in (0x1, 0xFFFF):
        value = IPv6Address(b"".join((0 if none else group).to_bytes(2, "big") for none in zero))
        if int(value) >> 32 != 0xFFFF:  # which Python 3.13 writes with dots
            assert address_text(value) == str(value)


def test_embedded_ipv4_is_written_alike_by_every_release_of_python() -> None:
    assert address_text(IPv6Address("::ffff:192.0.2.1")) == "::ffff:c000:201"
    assert address_text(IPv6Address("::192.0.2.1")) == "::c000:201"


@given(written)
def test_texts_are_taken_and_refused_as_ever(text: str) -> None:
    for parse, known in ((parse_address, ip_address), (parse_prefix, ip_network)):
        try:
            expected = known(text)
        except ValueError:
            expected = None
        if "%" in text:
            expected = None
        try:
            found = parse(text)
        except ValueError:
            found = None
        assert found == expected


@pytest.mark.parametrize("text", ["fe80::1%eth0", "fe80::1%} ; flush ruleset ; {"])
def test_a_zone_is_refused(text: str) -> None:
    for parse in (parse_address, parse_prefix):
        with pytest.raises(Zoned, match="has a zone"):
            parse(text)


@pytest.mark.parametrize("prefix", ["10.0.0.0/8", "2001:db8::/32", "::/0", "::ffff:0:0/96"])
def test_a_prefix_is_its_first_address_and_its_length(prefix: str) -> None:
    assert prefix_text(ip_network(prefix)) == prefix
