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
    _known: dict[int, tuple[object, str]] = field(default_factory=dict, init=False)
    """With the value itself, so that no other can have its id meanwhile."""
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
        known = self._known
        self._known = {key: known[key] for key in needed if key in known}
        self._needed = self._length = sum(len(text) for _, text in self._known.values())

    def _list(self, plan: NodePlan, name: str, items: tuple[object, ...]) -> str:
        known = [self._text(item) for item in items]
        missing = tuple(item for item, text in zip(items, known, strict=True) if text is None)
        made = _pieces(plan, name, missing) if missing else []
        for item, piece in zip(missing, made, strict=True):
            self._known[id(item)] = (item, piece)
            self._length += len(piece)
        following = iter(made)
        texts = [next(following) if text is None else text for text in known]
        return f'\n "{name}": [\n  {_BETWEEN.join(texts)}\n ]'

    def _text(self, item: object) -> str | None:
        found = self._known.get(id(item))
        return found[1] if found is not None and found[0] is item else None


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
