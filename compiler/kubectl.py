"""Reads what `kubectl get nodes,namespaces,pods,services,endpointslices -A -o json` (or yaml) prints.

One bad item is one problem and stops no other. Kinds that a compilation does not need are passed
over. JSON of 50,000 pods takes a second or two; YAML takes minutes at that size, so large inventories
are better taken as JSON.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.reader import ReaderError

from compiler.catalogue import found
from compiler.collector import collector_paused
from compiler.inventory import EndpointSlice, Inventory, Namespace, Node, Pod, Service
from compiler.names import NodeName, ObjectName, is_label, is_subdomain
from compiler.objects import KINDS, Fact, KubernetesObject, Unusable, build, decode
from compiler.problem import Origin, Problem


@collector_paused()
def read_inventory(text: bytes, *, path: str = "inventory") -> tuple[Inventory, tuple[Problem, ...]]:
    """The inventory, and what of it could not be read; `path` is the file's name in problems."""
    text = text.removeprefix(b"\xef\xbb\xbf")
    items = _json_items(text) if text.lstrip()[:1] == b"{" else _yaml_items(text)
    collected = _Collected(path=path)
    try:
        for item in items:
            collected.take(item)
        if not collected.items:
            raise _NotReadableError("it holds no object", 0, 0)
    except _NotReadableError as error:
        origin = Origin(path=path, line=error.line, column=error.column)
        remedy = _CUT_REMEDY if error.reason == _CUT else None
        return Inventory(), (
            found("ATL701", origin=origin, subject=path, reason=error.reason, remedy=remedy),
        )
    return collected.inventory(), tuple(collected.problems)


_CUT = "the file ends in the middle"
_CUT_REMEDY = "Run kubectl again, and look whether it finishes without an error"


class _NotReadableError(Exception):
    """The text as a whole is no inventory. Lines and columns as in Origin."""

    def __init__(self, reason: str, line: int, column: int) -> None:
        super().__init__(reason)
        self.reason, self.line, self.column = reason, line, column


@dataclass(frozen=True, kw_only=True, slots=True)
class _Item:
    """One object as it stands in the text: JSON not decoded yet, or what YAML gave."""

    position: str
    api_version: str
    kind: str
    content: msgspec.Raw | object

    def read(self, shape: type[KubernetesObject]) -> Fact | None:
        if isinstance(self.content, msgspec.Raw):
            return decode(shape, self.content)
        return build(shape, self.content)


@dataclass(kw_only=True, slots=True)
class _Collected:
    path: str
    items: int = 0
    nodes: dict[NodeName, Node] = field(default_factory=dict)
    namespaces: dict[str, Namespace] = field(default_factory=dict)
    pods: dict[ObjectName, Pod] = field(default_factory=dict)
    services: dict[ObjectName, Service] = field(default_factory=dict)
    slices: dict[ObjectName, EndpointSlice] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def take(self, item: _Item) -> None:
        self.items += 1
        if not item.kind:
            self._report(item, "it has no kind")
        shape = KINDS.get((item.api_version, item.kind))
        if shape is None:
            return
        try:
            fact = item.read(shape)
        except Unusable as error:
            self._report(item, str(error))
            return
        if fact is not None and not self._keep(fact):
            self._report(item, "the inventory holds it twice; the first one is used")

    def _keep(self, fact: Fact) -> bool:
        match fact:
            case Pod():
                return self.pods.setdefault(fact.name, fact) is fact
            case EndpointSlice():
                return self.slices.setdefault(fact.name, fact) is fact
            case Service():
                return self.services.setdefault(fact.name, fact) is fact
            case Namespace():
                return self.namespaces.setdefault(fact.name, fact) is fact
            case Node():
                return self.nodes.setdefault(fact.name, fact) is fact

    def _report(self, item: _Item, reason: str) -> None:
        what = " ".join(filter(None, (item.position, item.kind, _name_in(item.content))))
        self.problems.append(found("ATL702", origin=Origin(path=self.path), subject=what, reason=reason))

    def inventory(self) -> Inventory:
        return Inventory(
            nodes=self.nodes,
            namespaces=self.namespaces,
            pods=self.pods,
            services=self.services,
            slices=self.slices,
        )


def _name_in(content: msgspec.Raw | object) -> str:
    """The name of a broken object, as far as it has one."""
    try:
        plain = msgspec.json.decode(content) if isinstance(content, msgspec.Raw) else content
    except UnicodeDecodeError:
        return ""
    metadata = plain.get("metadata") if isinstance(plain, dict) else None
    if not isinstance(metadata, dict):
        return ""
    name, namespace = metadata.get("name"), metadata.get("namespace")
    if not isinstance(name, str) or not is_subdomain(name):
        return ""
    return f"{namespace}/{name}" if isinstance(namespace, str) and is_label(namespace) else name


class _Head(msgspec.Struct, rename="camel"):
    """What every object and every list says of itself. Lists of one kind leave it out of their items."""

    kind: str = ""
    api_version: str = ""


class _List(_Head):
    items: list[msgspec.Raw] | None = None


_list_decoder = msgspec.json.Decoder(_List)
_head_decoder = msgspec.json.Decoder(_Head)


def _json_items(text: bytes) -> Iterator[_Item]:
    try:
        listed = _list_decoder.decode(text)
    except msgspec.ValidationError as error:
        raise _NotReadableError(f"it is no list of objects: {error}", 0, 0) from None
    except msgspec.DecodeError as error:
        raise _json_error(str(error), text) from None
    except (RecursionError, UnicodeDecodeError) as error:
        raise _NotReadableError(f"it is not JSON: {error}", 0, 0) from None
    if listed.items is None:
        yield _Item(
            position="document", api_version=listed.api_version, kind=listed.kind, content=msgspec.Raw(text)
        )
        return
    for index, raw in enumerate(listed.items):
        try:
            head = _head_decoder.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            head = _Head()
        yield _item(f"items[{index}]", head.api_version, head.kind, listed.api_version, listed.kind, raw)


def _json_error(message: str, text: bytes) -> _NotReadableError:
    """msgspec names the byte; people count lines. Without a byte, the text ends too early."""
    reason, _, byte = message.partition(" (byte ")
    if not byte:
        return _error_at(text, len(text), _CUT)
    at = int(byte.rstrip(")"))
    return _error_at(text, at, f"it is not JSON: {reason.removeprefix('JSON is malformed: ')}")


def _error_at(text: bytes, at: int, reason: str) -> _NotReadableError:
    _, _, line = text[:at].rpartition(b"\n")
    return _NotReadableError(reason, text.count(b"\n", 0, at) + 1, len(line.decode(errors="replace")) + 1)


def _yaml_items(text: bytes) -> Iterator[_Item]:
    try:
        for number, document in enumerate(YAML(typ="safe").load_all(text.decode()), start=1):
            if document is not None:
                yield from _document_items(number, document)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        cut = "<stream end>" in (error.problem or "") or "end of stream" in (error.problem or "")
        raise _NotReadableError(_CUT if cut else f"it is not YAML: {error.problem}", line, column) from None
    except ReaderError as error:
        at = len(text.decode()[: error.position].encode())
        raise _error_at(text, at, f"it is not YAML: {error.reason}") from None
    except UnicodeDecodeError as error:
        raise _error_at(text, error.start, "it is not UTF-8") from None
    except (YAMLError, ValueError) as error:
        raise _NotReadableError(f"it is not YAML: {error}", 0, 0) from None
    except RecursionError:
        raise _NotReadableError("it is nested too deeply", 0, 0) from None


def _document_items(number: int, document: object) -> Iterator[_Item]:
    if not isinstance(document, dict):
        raise _NotReadableError(f"document {number} is no object", 0, 0)
    listed = document.get("items")
    api_version, kind = _text(document, "apiVersion"), _text(document, "kind")
    if not isinstance(listed, list):
        yield _Item(position=f"document {number}", api_version=api_version, kind=kind, content=document)
        return
    for index, content in enumerate(listed):
        position = f"items[{index}]" if number == 1 else f"document {number} items[{index}]"
        yield _item(
            position, _text(content, "apiVersion"), _text(content, "kind"), api_version, kind, content
        )


def _item(
    position: str,
    api_version: str,
    kind: str,
    list_version: str,
    list_kind: str,
    content: msgspec.Raw | object,
) -> _Item:
    if not kind and list_kind != "List":
        api_version, kind = list_version, list_kind.removesuffix("List")
    return _Item(position=position, api_version=api_version, kind=kind, content=content)


def _text(content: object, key: str) -> str:
    value = content.get(key) if isinstance(content, dict) else None
    return value if isinstance(value, str) else ""
