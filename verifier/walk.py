"""Packets through the chains of one hook at one place, rule by rule, until each is through or finished."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, cast

from verifier.batch import FIRST_OF_CONNECTION, PROTOCOL, SADDR, Batch
from verifier.effects import Effect, NatEffect
from verifier.fault import Contradiction
from verifier.matching import Live, Test
from verifier.outcome import Fate, Outcome, Trail
from verifier.packets import Tracking
from verifier.program import Branching, Program, ReadyRule, Stage
from verifier.ruleset import (
    PROTOCOLS,
    Accept,
    Chain,
    Continue,
    Drop,
    Element,
    Goto,
    Jump,
    NatKind,
    Reject,
    Return,
    Verdict,
)
from verifier.scene import Scene

_TCP: Final = ((PROTOCOLS["tcp"], PROTOCOLS["tcp"]),)
_DEPTH: Final = 16
"""NFT_JUMP_STACK_SIZE: a kernel refuses more."""

Finish = Callable[[list[Batch], Outcome], None]


@dataclass(slots=True)
class _Parted:
    first: Batch
    """Held here so that its identity stays its own."""
    whole: Batch
    rest: Batch | None


@dataclass(slots=True)
class Walk:
    """One hook. `finish` takes packets that a rule ended, with what became of them."""

    program: Program
    scene: Scene
    finish: Finish
    undo: Callable[[Batch, Scene], Batch] | None = None
    """What nat does to packets that answer a translated connection."""
    translates: bool = True
    """False where nat has already decided: on the second pass of prerouting."""
    _accepted: list[Batch] = field(default_factory=list)
    _translated: list[Batch] = field(default_factory=list)

    def through(self, batches: list[Batch]) -> list[Batch]:
        """All of the hook; returns what is let through."""
        for stage in self.program.stages[self.scene.hook]:
            if not batches:
                return []
            if stage.begins_tracking:
                self.scene.tracked = True
            elif stage.nat:
                batches = self._nat(stage, batches) if self.translates else batches
            else:
                batches = self._based(stage.chains[0], batches)
        return batches

    def _based(self, chain: Chain, batches: list[Batch]) -> list[Batch]:
        self._accepted = []
        fallen = self._chain(chain.name, batches, 0)
        if isinstance(chain.policy, Drop):
            reason = f"policy drop of chain {chain.name}"
            self.finish(fallen, Outcome(fate=Fate.DROPPED, reason=reason))
            return self._accepted
        return self._accepted + fallen

    def _nat(self, stage: Stage, batches: list[Batch]) -> list[Batch]:
        """A connection is translated once: by the first rule that does, with its first packet.

        Batches that no rule touches stay whole; the others part into first packets and later ones.
        """
        first: list[Batch] = []
        parted: dict[int, _Parted] = {}
        later: list[Batch] = []
        for batch in batches:
            new = batch.tracked(FIRST_OF_CONNECTION)
            if new is None:
                later.append(self._undone(batch))
                continue
            first.append(new)
            parted[id(new)] = _Parted(
                new, batch, batch.tracked(~FIRST_OF_CONNECTION) if new is not batch else None
            )
        self._translated = []
        for chain in stage.chains:
            if first:
                first = self._based(chain, first)
        return self._translated + self._whole_again(first, parted) + later

    def _whole_again(self, first: list[Batch], parted: dict[int, _Parted]) -> list[Batch]:
        whole: list[Batch] = []
        for batch in first:
            part = parted.pop(id(batch), None)
            if part is None or part.rest is None:
                whole.append(batch)
            elif self.undo is not None and part.rest.now_tracking & Tracking.REPLY:
                whole += [batch, self._undone(part.rest)]
            else:
                whole.append(part.whole)
        return whole + [self._undone(part.rest) for part in parted.values() if part.rest is not None]

    def _undone(self, batch: Batch) -> Batch:
        if self.undo is None or not batch.now_tracking & Tracking.REPLY:
            return batch
        return self.undo(batch, self.scene)

    def _chain(self, name: str, batches: list[Batch], depth: int) -> list[Batch]:
        """Returns what fell off the end."""
        if depth > _DEPTH:
            raise Contradiction(f"chain {name}: rules lead to each other without end; a kernel refuses them")
        ended: list[Batch] = []
        for rule in self.program.active(name, self.scene):
            if not batches:
                break
            batches = self._rule(rule, batches, ended, depth)
        return batches + ended

    def _rule(self, rule: ReadyRule, batches: list[Batch], ended: list[Batch], depth: int) -> list[Batch]:
        """Returns what goes on to the next rule; what leaves the chain here is added to `ended`."""
        live: list[Live] = [(batch, None) for batch in batches]
        on: list[Batch] = []
        for sort, operation in rule.operations:
            if sort == "test":
                live, failed = cast(Test, operation).divide(live, self.scene)
                on += failed
            elif sort == "verdict":
                on += self._verdict(cast(Verdict, operation), live, rule, ended, depth)
                return on
            elif sort == "branch":
                on += self._branch(cast(Branching, operation), live, rule, ended, depth)
                return on
            else:
                live, failed = cast(Effect, operation).apply(live, self.scene)
                on += failed
                live = [(self._told(batch, rule, element), element) for batch, element in live]
                if sort == "nat":
                    self._translate(cast(NatEffect, operation), live, rule)
                    return on
            if not live:
                return on
        return on + [batch for batch, _ in live]

    def _translate(self, nat: NatEffect, live: list[Live], rule: ReadyRule) -> None:
        for batch, _ in live:
            if nat.kind is NatKind.MASQUERADE and not batch.now[SADDR]:
                reason = f"`{rule.rule.text}`: the node has no address of the family"
                self.finish([batch], Outcome(fate=Fate.DROPPED, reason=reason))
            else:
                self._translated.append(batch)

    def _branch(
        self, branching: Branching, live: list[Live], rule: ReadyRule, ended: list[Batch], depth: int
    ) -> list[Batch]:
        found, missed, strange = branching.key.look_up(live, self.scene)
        on = missed + strange
        by_verdict: dict[Verdict, list[Live]] = {}
        for batch, element in found:
            assert element is not None
            by_verdict.setdefault(cast(Verdict, element.value), []).append((batch, element))
        for verdict, members in by_verdict.items():
            on += self._verdict(verdict, members, rule, ended, depth)
        return on

    def _verdict(
        self, verdict: Verdict, live: list[Live], rule: ReadyRule, ended: list[Batch], depth: int
    ) -> list[Batch]:
        if not live:
            return []
        batches = [self._told(batch, rule, element) for batch, element in live]
        match verdict:
            case Accept():
                self._accepted += batches
                return []
            case Continue():
                return batches
            case Return():
                ended += batches
                return []
            case Goto(chain=target):
                ended += self._chain(target, batches, depth + 1)
                return []
            case Jump(chain=target):
                return self._chain(target, batches, depth + 1)
            case Drop():
                return self._end(Fate.DROPPED, batches, rule)
            case Reject(answer=answer):
                return self._reject(answer, batches, rule)

    def _reject(self, answer: str, batches: list[Batch], rule: ReadyRule) -> list[Batch]:
        """nft puts `meta l4proto tcp` before a reset."""
        if answer != "tcp reset":
            return self._end(Fate.REFUSED, batches, rule)
        tcp = [batch.meet(PROTOCOL, _TCP) for batch in batches]
        others = [batch.without(PROTOCOL, _TCP) for batch in batches]
        self._end(Fate.REFUSED, [batch for batch in tcp if batch], rule)
        return [batch for batch in others if batch]

    def _end(self, fate: Fate, batches: list[Batch], rule: ReadyRule) -> list[Batch]:
        if batches:
            self.finish(batches, Outcome(fate=fate, reason=f"chain {rule.chain}: {rule.rule.text}"))
        return []

    def _told(self, batch: Batch, rule: ReadyRule, element: Element | None) -> Batch:
        scene = self.scene
        if not scene.traced or _is_told(batch.trail, rule, scene):
            return batch
        trail = Trail(batch.trail, scene.hook, rule.chain, rule.rule.text, element, scene.link)
        return batch.with_trail(trail)


def _is_told(trail: Trail | None, rule: ReadyRule, scene: Scene) -> bool:
    """A rule that did something and then decided is one step."""
    if trail is None:
        return False
    last = (trail.hook, trail.chain, trail.text, trail.link)
    return last == (scene.hook, rule.chain, rule.rule.text, scene.link)
