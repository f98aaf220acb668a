"""Addresses and prefixes between their text and the numbers that the verifier compares."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from types import MappingProxyType
from typing import Final

from verifier.state import DEFAULT_TABLE, LOCAL_TABLE, MAIN_TABLE, Address
from verifier.unreadable import Unreadable

_BITS: Final = {4: 32, 6: 128}
_TABLES: Final[Mapping[str, int]] = MappingProxyType(
    {"local": LOCAL_TABLE, "main": MAIN_TABLE, "default": DEFAULT_TABLE}
)


@lru_cache(maxsize=1 << 16)
def address_of(text: str) -> Address:
    try:
        found = ip_address(text)
    except ValueError:
        raise Unreadable(f"{text!r} is not an address") from None
    return (found.version, int(found))


@lru_cache(maxsize=1 << 16)
def prefix_of(text: str) -> tuple[int, int, int]:
    """Family, first address and length; of an address alone, the prefix that holds nothing else."""
    try:
        found = ip_network(text)
    except ValueError:
        raise Unreadable(f"{text!r} is not a prefix") from None
    return (found.version, int(found.network_address), found.prefixlen)


def address_text(address: Address) -> str:
    family, number = address
    return str(IPv4Address(number) if family == 4 else IPv6Address(number))


def prefix_text(family: int, network: int, length: int) -> str:
    """A single address stands without its length, as ip and nft print it."""
    text = address_text((family, network))
    return text if length == _BITS[family] else f"{text}/{length}"


def table_of(text: str) -> int:
    """The number of a routing table, which ip names where it can."""
    if text in _TABLES:
        return _TABLES[text]
    if not text.isdecimal():
        raise Unreadable(
            f"the routing table {text!r} is not known by that name: only {', '.join(_TABLES)} are"
        )
    return int(text)
