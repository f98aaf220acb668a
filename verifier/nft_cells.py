"""Literals of nftables as numbers: addresses, prefixes, ranges, groups, protocols, ports, marks.

One place for nft's text and its JSON, which spell the same atoms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache, lru_cache
from ipaddress import IPv4Address, IPv6Address
from types import MappingProxyType
from typing import Final

from verifier.intervals import Interval
from verifier.ruleset import CT_DIRECTIONS, CT_STATES, FIB_TYPES, PROTOCOLS, Cell, DataType, Field
from verifier.unreadable import Unreadable

FIELD_TYPES: Final[Mapping[Field, DataType]] = MappingProxyType(
    {
        Field.IIFGROUP: DataType.GROUP,
        Field.OIFGROUP: DataType.GROUP,
        Field.IIFKIND: DataType.KIND,
        Field.OIFKIND: DataType.KIND,
        Field.IIFNAME: DataType.NAME,
        Field.OIFNAME: DataType.NAME,
        Field.NFPROTO: DataType.FAMILY,
        Field.L4PROTO: DataType.PROTOCOL,
        Field.MARK: DataType.MARK,
        Field.IP_SADDR: DataType.IPV4,
        Field.IP_DADDR: DataType.IPV4,
        Field.IP6_SADDR: DataType.IPV6,
        Field.IP6_DADDR: DataType.IPV6,
        Field.TH_DPORT: DataType.PORT,
        Field.TCP_DPORT: DataType.PORT,
        Field.UDP_DPORT: DataType.PORT,
        Field.CT_STATE: DataType.CT_STATE,
        Field.CT_DIRECTION: DataType.CT_DIRECTION,
        Field.FIB_SADDR_IIF_OIF: DataType.DEVICE,
        Field.FIB_DADDR_TYPE: DataType.FIB_TYPE,
        Field.CT_ZONE: DataType.INTEGER,
    }
)

_NAMES: Final[Mapping[DataType, Mapping[str, int]]] = MappingProxyType(
    {
        DataType.GROUP: {"default": 0},  # iproute2's only name
        DataType.FAMILY: {"ipv4": 2, "ipv6": 10},
        DataType.PROTOCOL: {**PROTOCOLS, "icmpv6": 58},
        DataType.CT_STATE: CT_STATES,
        DataType.CT_DIRECTION: CT_DIRECTIONS,
        DataType.FIB_TYPE: FIB_TYPES,
    }
)

_BITS: Final[Mapping[DataType, int]] = MappingProxyType(
    {
        DataType.GROUP: 32,
        DataType.FAMILY: 8,
        DataType.PROTOCOL: 8,
        DataType.MARK: 32,
        DataType.IPV4: 32,
        DataType.IPV6: 128,
        DataType.PORT: 16,
        DataType.CT_STATE: 32,
        DataType.CT_DIRECTION: 8,
        DataType.FIB_TYPE: 32,
        DataType.INTEGER: 16,
    }
)
"""Of the numeric types; the others hold texts."""

FAMILIES: Final[Mapping[str, int]] = MappingProxyType({"ip": 4, "ip6": 6})
"""As nat statements name them."""
ADDRESS_TYPES: Final[Mapping[int, DataType]] = MappingProxyType({4: DataType.IPV4, 6: DataType.IPV6})

TEXTS: Final = frozenset({DataType.KIND, DataType.NAME})


@cache
def names_of(kind: DataType) -> Mapping[int, str]:
    """The names that nft prints for numbers of a type."""
    return {value: name for name, value in reversed([*_NAMES.get(kind, {}).items()])}


def in_order(cells: Iterable[Cell]) -> tuple[Cell, ...]:
    """Several literals of one match: they have no order."""
    return tuple(sorted(cells))


def last(kind: DataType) -> int:
    """The largest number of a numeric type."""
    if kind not in _BITS:
        raise Unreadable(f"a value of type {kind} cannot be compared")
    return (1 << _BITS[kind]) - 1


def name_cell(kind: DataType, text: str) -> str:
    """The kind or the name of a device."""
    if text.endswith("*"):
        raise Unreadable("a name with an asterisk stands for many devices, which the verifier does not model")
    return text


def number(kind: DataType, atom: str | int) -> int:
    """One value of a numeric type, by name or number."""
    value = atom if isinstance(atom, int) else _spelled(kind, atom)
    if not 0 <= value <= last(kind):
        raise Unreadable(f"{atom} is out of the range of {kind}")
    return value


def prefix(kind: DataType, address: str | int, length: int) -> Interval:
    """The addresses, or other numbers, that share their first bits."""
    bits = _BITS.get(kind, 0)
    if not 0 <= length <= bits:
        raise Unreadable(f"/{length} is no prefix length of {kind}")
    size = 1 << (bits - length)
    first = number(kind, address) // size * size
    return (first, first + size - 1)


def interval(kind: DataType, first: str | int, end: str | int) -> Interval:
    low, high = number(kind, first), number(kind, end)
    if low > high:
        raise Unreadable(f"{first}-{end} begins behind its end")
    return (low, high)


@lru_cache(maxsize=1 << 17)  # a cluster's rulesets say the same addresses again and again
def cell(kind: DataType, text: str) -> Cell:
    """What one column holds, as nft's text has it: `1-65534`, `10.0.0.0/8`, `"vrf"`, `tcp`."""
    text = text.strip('"')
    if kind in TEXTS:
        return name_cell(kind, text)
    if text in _NAMES.get(kind, {}):
        value = _NAMES[kind][text]
        return (value, value)
    if "/" in text:
        address, _, length = text.partition("/")
        return prefix(kind, address, whole(length))
    first, dash, end = text.partition("-")
    return interval(kind, first, end if dash else first)


def whole(text: str) -> int:
    """A number, decimal or hexadecimal."""
    try:
        return int(text, 0)
    except ValueError:
        raise Unreadable(f"{text!r} is not a number") from None


def _spelled(kind: DataType, text: str) -> int:
    known = _NAMES.get(kind, {}).get(text)
    return known if known is not None else _PARSERS.get(kind, whole)(text)


def _address(parse: Callable[[str], IPv4Address] | Callable[[str], IPv6Address]) -> Callable[[str], int]:
    def of(text: str) -> int:
        try:
            return int(parse(text))
        except ValueError:
            raise Unreadable(f"{text!r} is not an address") from None

    return of


_PARSERS: Final[Mapping[DataType, Callable[[str], int]]] = MappingProxyType(
    {DataType.IPV4: _address(IPv4Address), DataType.IPV6: _address(IPv6Address)}
)
