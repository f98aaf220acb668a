"""A plan's canonical JSON and its digest, put together from pieces that many plans share.

The law: the bytes are `codec.encode_plan`'s. Plans share networks, services and nodes as the same values,
and a change leaves most of them as they are; each is put into words once, for all plans that hold it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from compiler import codec
from compiler.names import NodeName
from compiler.plan import NodePlan

_LISTS: Final = ("remotes", "networks", "services", "isolated", "pods")
"""The fields of a plan that grow with the cluster, in the order of its class."""
_BETWEEN: Final = ",\n  "
"""Two items of such a list. At their depth no text can look like this: a line break in one is escaped."""
_SPARE: Final = 1 << 20
"""Characters that may be remembered for nothing."""


@dataclass(kw_only=True, slots=True)
class PlanTexts:
    """Remembers pieces by identity. Threads may share it, but for `forget`."""

    spare: int = _SPARE
    _texts: dict[int, str] = field(default_factory=dict, init=False)
    _values: dict[int, object] = field(default_factory=dict, init=False)
    """What the texts are of, so that nothing else can have one's id meanwhile."""
    _length: int = field(default=0, init=False)
    _needed: int = field(default=0, init=False)
    """Of the length, when it was last found out."""

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

    def forget(self, plans: Iterable[NodePlan]) -> None:
        """Forget what is in none of these plans, when as much as they need may have gathered."""
        if self._length <= 2 * self._needed + self.spare:
            return
        needed = {id(item) for plan in plans for name in _LISTS for item in getattr(plan, name)}
        self._texts = {key: text for key, text in self._texts.items() if key in needed}
        self._values = {key: value for key, value in self._values.items() if key in needed}
        self._needed = self._length = sum(map(len, self._texts.values()))

    def _list(self, plan: NodePlan, name: str, items: tuple[object, ...]) -> str:
        texts, keys = self._texts, list(map(id, items))
        missing = {key: item for key, item in zip(keys, items, strict=True) if key not in texts}
        if missing:
            made = _pieces(plan, name, tuple(missing.values()))
            self._values.update(missing)
            texts.update(zip(missing, made, strict=True))
            self._length += sum(map(len, made))
        return f'\n "{name}": [\n  {_BETWEEN.join(map(texts.__getitem__, keys))}\n ]'


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
    digests = {
        node: known[node] if earlier.get(node) is plan and node in known else _texts.digest(plan)
        for node, plan in plans.items()
    }
    _texts.forget(plans.values())
    return digests
