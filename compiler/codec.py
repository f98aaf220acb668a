"""Plans, allocations and reachability as canonical JSON, and back, exactly.

The same value gives the same bytes on every machine: fields in the order of their classes, mappings
sorted by the text of their keys. Decoding is strict: unknown fields, wrong types and text that could
not have come from a checked name are refused with their place in the document.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any, Final, TypeVar, get_origin, get_type_hints

import msgspec
from cattrs import Converter, transform_error
from cattrs.errors import BaseValidationError
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from compiler.address_text import address_text, parse_address, parse_prefix, prefix_text
from compiler.allocations import Allocations
from compiler.consistency import contradiction
from compiler.model import Address, Egress, Prefix
from compiler.names import ObjectName, is_label, is_subdomain
from compiler.plan import NodePlan, PodBinding, Presence
from compiler.problem import Origin
from compiler.reachability import NetworkReach, Reachability

FORMAT: Final = 1
"""Of plans and allocations. A reader refuses any other: controller and agent are of one release."""

_SAFE: Final = re.compile(r"[A-Za-z0-9._:/-]*")
"""What names, addresses and protocols are made of. Text goes into nft commands: nothing else may."""
_FREE: Final[Mapping[type, str]] = {PodBinding: "refusal", NetworkReach: "allowed_namespaces", Origin: "path"}
"""Sentences, selectors and paths, for people: never part of a command."""
_ADDRESSES: Final = (IPv4Address, IPv6Address, Address)
_PREFIXES: Final = (IPv4Network, IPv6Network, Prefix)

_FIELD: Final = re.compile(r"(?<=\.)\w+")
"""In a place of a document: keys of mappings stand in brackets."""

T = TypeVar("T")


class Malformed(ValueError):
    """A document is not one that Atoll wrote. The text says where and why."""


def encode_plan(plan: NodePlan) -> bytes:
    return _encode({"format": FORMAT, **_plain(plan)})


def decode_plan(data: bytes) -> NodePlan:
    """Raises Malformed."""
    return _decode(data, NodePlan)


def digest(plan: NodePlan) -> str:
    return digest_of(encode_plan(plan))


def digest_of(data: bytes) -> str:
    """`sha256:` and hexadecimal digits, of a document without the white space around it."""
    return f"sha256:{hashlib.sha256(data.strip()).hexdigest()}"


def encode_allocations(allocations: Allocations) -> bytes:
    return _encode({"format": FORMAT, **_plain(allocations)})


def decode_allocations(data: bytes) -> Allocations:
    """Raises Malformed, also where the allocations contradict themselves."""
    allocations = _decode(data, Allocations)
    fault = contradiction(allocations)
    if fault is not None:
        raise Malformed(fault)
    return allocations


def encode_reachability(reachability: Reachability) -> bytes:
    return _encode({"format": FORMAT, **_plain(reachability)})


def decode_reachability(data: bytes) -> Reachability:
    """Raises Malformed."""
    return _decode(data, Reachability)


def _encode(document: Mapping[str, object]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


def _plain(value: Any) -> dict[str, Any]:
    """A dataclass as JSON has it: camelCase fields, atoms as their text."""
    plain: dict[str, Any] = _converter().unstructure(value)
    return plain


@cache
def _keys(kind: type) -> tuple[tuple[str, str], ...]:
    """Field names with their keys."""
    return tuple((field.name, _camel(field.name)) for field in fields(kind))


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _decode(data: bytes, kind: type[T]) -> T:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"not JSON: {error}") from error
    if not isinstance(document, dict):
        raise Malformed("not a JSON object")
    written = document.pop("format", None)
    if written != FORMAT:
        raise Malformed(f"format: {written!r}, where this release knows {FORMAT}")
    try:
        return _converter().structure(document, kind)
    except BaseValidationError as error:
        first = transform_error(error, path="$", format_exception=_reason)[0]
        message, _, place = first.rpartition(" @ ")
        raise Malformed(f"{message} @ {_FIELD.sub(lambda field: _camel(field[0]), place)}") from error


def _reason(error: BaseException, _kind: type | None) -> str:
    if isinstance(error, KeyError):
        return f"the field {error} is missing"
    return str(error)


@cache
def _converter() -> Converter:
    converter = Converter(forbid_extra_keys=True)
    converter.register_structure_hook(str, _text)
    converter.register_structure_hook(bool, _exactly(bool))
    converter.register_structure_hook(int, _exactly(int))
    for kind in (Egress, Presence):  # or they would be taken for the str that they are, too
        converter.register_structure_hook(kind, lambda value, kind: kind(value))
    converter.register_structure_hook(ObjectName, _object_name)
    converter.register_structure_hook(IPv4Network, _prefix_of(IPv4Network))
    converter.register_structure_hook(IPv6Network, _prefix_of(IPv6Network))
    converter.register_structure_hook_func(lambda kind: kind == Address, _parsed(parse_address))
    converter.register_structure_hook_func(lambda kind: kind == Prefix, _parsed(parse_prefix))
    converter.register_structure_hook_factory(is_dataclass, lambda kind: _structure(converter, kind))
    converter.register_unstructure_hook(ObjectName, str)
    converter.register_unstructure_hook_func(lambda kind: kind in _ADDRESSES, address_text)
    converter.register_unstructure_hook_func(lambda kind: kind in _PREFIXES, prefix_text)
    converter.register_unstructure_hook_func(_is_mapping, lambda value: _plain_mapping(converter, value))
    converter.register_unstructure_hook_factory(is_dataclass, lambda kind: _unstructure(converter, kind))
    return converter


def _is_mapping(kind: Any) -> bool:
    origin = get_origin(kind) or kind
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _plain_mapping(converter: Converter, value: Mapping[Any, Any]) -> dict[str, Any]:
    pairs = ((_key_text(key), converter.unstructure(item)) for key, item in value.items())
    return dict(sorted(pairs, key=lambda pair: pair[0]))


def _key_text(key: object) -> str:
    return prefix_text(key) if isinstance(key, IPv4Network | IPv6Network) else str(key)


def _unstructure(converter: Converter, kind: type) -> Callable[[Any], dict[str, Any]]:
    renamed: dict[str, Any] = {name: override(rename=key) for name, key in _keys(kind)}
    return make_dict_unstructure_fn(kind, converter, **renamed)


def _structure(converter: Converter, kind: type) -> Callable[[Any, Any], Any]:
    hints = get_type_hints(kind)
    overrides: dict[str, Any] = {name: override(rename=key) for name, key in _keys(kind) if name in hints}
    if free := _FREE.get(kind):
        overrides[free] = override(rename=_camel(free), struct_hook=_exactly(str))
    make: Callable[[Any, Any], Any] = make_dict_structure_fn(
        kind, converter, _cattrs_forbid_extra_keys=True, **overrides
    )
    return make


def _exactly(kind: type) -> Callable[[Any, Any], Any]:
    def check(value: Any, _: Any) -> Any:
        if type(value) is not kind:
            raise ValueError(f"{value!r:.60} is not of type {kind.__name__}")
        return value

    return check


def _text(value: Any, _: Any) -> str:
    if not isinstance(value, str) or not _SAFE.fullmatch(value):
        raise ValueError(f"{value!r:.60} is not a name")
    return value


def _parsed(parse: Callable[[str], T]) -> Callable[[Any, Any], T]:
    def of(value: Any, _: Any) -> T:
        if not isinstance(value, str):
            raise ValueError(f"{value!r:.60} is not an address")
        return parse(value)

    return of


def _prefix_of(kind: type[IPv4Network] | type[IPv6Network]) -> Callable[[Any, Any], Prefix]:
    def of(value: Any, _: Any) -> Prefix:
        prefix = _parsed(parse_prefix)(value, kind)
        if not isinstance(prefix, kind):
            raise ValueError(f"{value!r:.60} is not of type {kind.__name__}")
        return prefix

    return of


def _object_name(value: Any, _: Any) -> ObjectName:
    namespace, slash, name = value.partition("/") if isinstance(value, str) else ("", "", "")
    if not slash or not is_label(namespace) or not is_subdomain(name):
        raise ValueError(f"{value!r:.60} is not namespace/name")
    return ObjectName(namespace=namespace, name=name)
