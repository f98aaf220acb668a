"""The answer to "can A reach B?" as an inert value; it is also what `--format json` prints."""

from __future__ import annotations

from msgspec import Struct

FORMAT = 1


class Step(Struct, frozen=True, kw_only=True, rename="camel"):
    """A rule that decided or changed something, or a route that was taken."""

    node: str
    hook: str
    link: str
    """The device that the packet was on; "" where it was on none yet."""
    chain: str
    """"" for a route."""
    rule: str
    element: str
    """Of the set or map that the rule looked into."""
    means: str
    places: tuple[str, ...]
    """`path:line` of the declarations that this follows from."""


class Way(Struct, frozen=True, kw_only=True, rename="camel"):
    """One way that packets go; a Service with several backends has several."""

    arrives: bool
    end: str
    """Where and how it ends, as a sentence without its full stop."""
    steps: tuple[Step, ...]


class Family(Struct, frozen=True, kw_only=True, rename="camel"):
    """The answer for one address family."""

    version: int
    source: str
    target: str
    """Addresses."""
    reaches: bool
    there: tuple[Way, ...]
    back: tuple[Way, ...]
    """Of what answers; empty where nothing arrives."""


class Reason(Struct, frozen=True, kw_only=True, rename="camel"):
    """Why, by what is declared."""

    what: str
    """A sentence without its full stop."""
    places: tuple[str, ...] = ()


class Remedy(Struct, frozen=True, kw_only=True, rename="camel"):
    """What would have to be declared for a yes."""

    what: str
    yaml: str = ""


class Line(Struct, frozen=True, kw_only=True, rename="camel"):
    """The commit that brought a line of a declaration."""

    place: str
    commit: str
    author: str


class Answer(Struct, frozen=True, kw_only=True, rename="camel"):
    format: int = FORMAT
    reaches: bool
    source: str
    target: str
    protocol: str
    port: int
    declared: bool
    """Whether it may, by the declarations alone."""
    reasons: tuple[Reason, ...]
    remedies: tuple[Remedy, ...] = ()
    families: tuple[Family, ...] = ()
    notes: tuple[str, ...] = ()
    """What the answer rests on."""
    lines: tuple[Line, ...] = ()

    @property
    def as_declared(self) -> bool:
        """False: what the nodes hold is not what is declared."""
        return self.reaches == self.declared or not self.families
