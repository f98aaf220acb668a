"""A plan's canonical JSON and its digest, put together from pieces that many plans share.

The law: the bytes are `codec.encode_plan`'s. Plans share networks, services and nodes as the same values,
and a change leaves most of them as they are; each is put into words once, for all plans that hold it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from compiler import codec
from compiler.names import NodeName
from compiler.plan import NodePlan

_LISTS: Final = ("remotes", "networks", "services", "isolated", "pods")
"""The fields of a plan that grow with the cluster, in the order of its class."""
_BETWEEN: Final = ",\n  "
"""Two items of such a list. At their depth no text can look like this: a line break in one is escaped."""
_REMEMBERED: Final = 16 << 20
"""Characters, of a generation; there are two. A thousand networks on a thousand nodes are about as many."""


@dataclass(kw_only=True, slots=True)
class PlanTexts:
    """Remembers pieces by identity, those used last for longest. Threads may share it."""

    remembered: int = _REMEMBERED
    _new: dict[int, tuple[object, str]] = field(default_factory=dict, init=False)
    """With the value itself, so that no other can have its id meanwhile."""
    _old: dict[int, tuple[object, str]] = field(default_factory=dict, init=False)
    _length: int = field(default=0, init=False)

    def encode(self, plan: NodePlan) -> bytes:
        rest = codec.encode_plan(_hollow(plan)).decode()
        done: list[str] = []
        for name in _LISTS:
            items: tuple[object, ...] = getattr(plan, name)
            head, empty, tail = rest.partition(_empty(name))
            assert empty, f"the codec has no list {name}"
            done += (head, self._list(plan, name, items) if items else empty)
            rest = tail
        return "".join((*done, rest)).encode()

    def digest(self, plan: NodePlan) -> str:
        return codec.digest_of(self.encode(plan))

    def _list(self, plan: NodePlan, name: str, items: tuple[object, ...]) -> str:
        known = [self._known(item) for item in items]
        missing = tuple(item for item, text in zip(items, known, strict=True) if text is None)
        made = iter(_pieces(plan, name, missing) if missing else ())
        texts = [next(made) if text is None else text for text in known]
        for item, text in zip(items, texts, strict=True):
            self._remember(item, text)
        return f'\n "{name}": [\n  {_BETWEEN.join(texts)}\n ]'

    def _known(self, item: object) -> str | None:
        for texts in (self._new, self._old):
            found = texts.get(id(item))
            if found is not None and found[0] is item:
                return found[1]
        return None

    def _remember(self, item: object, text: str) -> None:
        found = self._new.get(id(item))
        if found is not None and found[0] is item:
            return
        self._new[id(item)] = (item, text)
        self._length += len(text)
        if self._length > self.remembered:
            self._old, self._new, self._length = self._new, {}, 0


def _hollow(plan: NodePlan) -> NodePlan:
    return replace(plan, remotes=(), networks=(), services=(), isolated=(), pods=())


def _pieces(plan: NodePlan, name: str, items: tuple[object, ...]) -> list[str]:
    """Return the text of each item, indented as in a plan, from a plan that holds nothing else."""
    alone: dict[str, Any] = {name: items}
    text = codec.encode_plan(replace(_hollow(plan), **alone)).decode()
    _, _, follows = text.partition(f'\n "{name}": [\n  {{')
    inner, _, _ = follows.partition("\n ]")
    return [f"{{{piece}" for piece in inner.split(f"{_BETWEEN}{{")]


def _empty(name: str) -> str:
    return f'\n "{name}": []'


_texts = PlanTexts()


def encode_plan(plan: NodePlan) -> bytes:
    return _texts.encode(plan)


def digests_of(
    plans: Mapping[NodeName, NodePlan],
    earlier: Mapping[NodeName, NodePlan],
    known: Mapping[NodeName, str],
) -> Mapping[NodeName, str]:
    """Digest every plan; those that are the same values as earlier ones keep their digests."""
    return {
        node: known[node] if earlier.get(node) is plan and node in known else _texts.digest(plan)
        for node, plan in plans.items()
    }
