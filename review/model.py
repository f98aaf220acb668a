"""A review as an inert value: what a change does to the cluster, ready to be shown in any form.

It is also what `--format json` prints: field for field, described by `schemas/review.json`. Names are texts
as people write them (`namespace/name`); everything is in an order that depends on the inputs alone.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from review.policy_report import JudgementRecord

FORMAT = 1


class Verdict(StrEnum):
    """The one word that a reader takes home."""

    REFUSED = "refused"
    """HEAD has errors: nothing of it would come into force."""
    OPENS_AND_CUTS = "opens-and-cuts"
    OPENS = "opens"
    """Something reaches what it did not reach before."""
    CUTS = "cuts"
    """Something reaches less than before."""
    CHANGES = "changes"
    """Nobody's reach is another, but something else is."""
    NOTHING = "nothing"


class Side(StrEnum):
    BASE = "base"
    HEAD = "head"


class Bearing(StrEnum):
    """How a change bears on what may pass."""

    OPENS = "opens"
    CUTS = "cuts"
    BOTH = "opens-and-cuts"
    NEITHER = "neither"


class Line(Struct, frozen=True, kw_only=True, rename="camel"):
    """A line of a declaration that decides something, and who wrote or removed it."""

    side: Side
    """BASE for lines that HEAD no longer has."""
    path: str
    line: int
    """From 1; 0 for the file as a whole."""
    object: str
    """As `VirtualNetworkRouter team-a/all`."""
    text: str = ""
    """The line itself, cut; "" where the whole object is new or gone."""
    commit: str = ""
    """That brought it, or for a line of BASE removed it; "" where that is not known."""
    author: str = ""


class Share(Struct, frozen=True, kw_only=True, rename="camel"):
    """Pods of one namespace in a network."""

    namespace: str
    pods: int


class Reacher(Struct, frozen=True, kw_only=True, rename="camel"):
    """A network whose reach changes, and whose pods that are."""

    network: str
    pods: int
    """Bound to nodes in the inventory; before the change for a network that is removed."""
    namespaces: tuple[Share, ...] = ()
    gains: tuple[str, ...] = ()
    """Networks that it newly reaches, and that reach it."""
    loses: tuple[str, ...] = ()
    services_gained: tuple[str, ...] = ()
    """Services that answer it now."""
    services_lost: tuple[str, ...] = ()


class Bond(Struct, frozen=True, kw_only=True, rename="camel"):
    """Pairs of networks that begin, or cease, to talk for one and the same reason."""

    networks: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]
    routers: tuple[str, ...]
    causes: tuple[str, ...]
    """The routers that connect them, or did, with their places."""
    lines: tuple[Line, ...]
    """Whose change made the difference."""


class ConsentKind(StrEnum):
    ASKED = "asked"
    GIVEN = "given"
    WITHDRAWN = "withdrawn"
    NO_LONGER_ASKED = "no-longer-asked"


class Consent(Struct, frozen=True, kw_only=True, rename="camel"):
    """Between two routers."""

    kind: ConsentKind
    importer: str
    """Who asks."""
    awaited: str
    """Who gives it or does not."""
    lines: tuple[Line, ...]


class Setting(Struct, frozen=True, kw_only=True, rename="camel"):
    """A property of an object that is another: infrastructure, egress, namespaces, subnets, cluster facts."""

    object: str
    what: str
    before: tuple[str, ...]
    """Empty for nothing: no entry, no selector, no object."""
    after: tuple[str, ...]
    bearing: Bearing
    lines: tuple[Line, ...]


class Arrival(Struct, frozen=True, kw_only=True, rename="camel"):
    """A network that is added or removed."""

    network: str
    subnets: tuple[str, ...]
    pods: int
    lines: tuple[Line, ...]


class Move(Struct, frozen=True, kw_only=True, rename="camel"):
    """Pods that join another network than before, or must wait."""

    before: str
    after: str
    pods: tuple[str, ...]
    """Some, by name."""
    count: int


class Cut(Struct, frozen=True, kw_only=True, rename="camel"):
    """Connections that end with their next packet."""

    what: str
    pods: int
    """That may hold such connections, by the inventory."""


class Allotted(Struct, frozen=True, kw_only=True, rename="camel"):
    """A number or block that is given or retired."""

    what: str
    """`network number`, `block` or `node number`."""
    value: str
    owner: str
    node: str = ""
    """Of a block."""
    retired: bool = False


class Matter(StrEnum):
    """What a finding is about."""

    ERROR = "error"
    CAPACITY = "capacity"
    WITHOUT_EFFECT = "without-effect"
    WAITING = "waiting"
    OTHER = "other"


class Finding(Struct, frozen=True, kw_only=True, rename="camel"):
    """A problem of HEAD, with whether BASE has it too."""

    code: str
    matter: Matter
    new: bool
    place: str
    """`path:line:column`; "" without one."""
    subject: str
    reason: str
    remedy: str


class Hunk(Struct, frozen=True, kw_only=True, rename="camel"):
    """Lines of one kind on a node, and what they mean."""

    title: str
    """`links`, `routes`, ... of the layout, or `set peers` of the ruleset."""
    meaning: str
    lines: tuple[str, ...]
    """Each opened by `+ ` or `- `. `{...}` stands for what differs from node to node."""


class NodeDigest(Struct, frozen=True, kw_only=True, rename="camel"):
    node: str
    before: str
    """Of its plan; "" for none."""
    after: str


class NodeGroup(Struct, frozen=True, kw_only=True, rename="camel"):
    """Nodes on which the same lines change."""

    nodes: tuple[NodeDigest, ...]
    hunks: tuple[Hunk, ...]
    listed: bool = True
    """False: there are too many lines, so that they were not made out."""


class Certificate(Struct, frozen=True, kw_only=True, rename="camel"):
    """What the verifier says of HEAD."""

    proved: bool
    line: str
    details: tuple[str, ...] = ()


class Revision(Struct, frozen=True, kw_only=True, rename="camel"):
    name: str
    """As the reader wrote it."""
    commit: str = ""
    """"" for a directory."""


class Picture(Struct, frozen=True, kw_only=True, rename="camel"):
    """The networks that a change concerns and their neighbours: a bounded graph."""

    nodes: tuple[PictureNode, ...] = ()
    edges: tuple[PictureEdge, ...] = ()
    left_out: int = 0
    """Networks that would belong here, but for the bound."""
    edges_left_out: int = 0
    """New and gone edges between what is here, likewise."""


class Standing(StrEnum):
    """Of a part of the picture."""

    NEW = "new"
    GONE = "gone"
    STAYS = "stays"


class PictureNode(Struct, frozen=True, kw_only=True, rename="camel"):
    name: str
    kind: str
    """`network`, `router`, `service` (of the default network) or `outside`."""
    standing: Standing


class PictureEdge(Struct, frozen=True, kw_only=True, rename="camel"):
    left: str
    right: str
    standing: Standing
    directed: bool = False
    """Networks talk both ways; infrastructure is asked, the outside is reached."""


class Review(Struct, frozen=True, kw_only=True, rename="camel"):
    """All that a reviewer should know; empty tuples where nothing is to be said."""

    format: int = FORMAT
    verdict: Verdict
    headline: tuple[str, ...]
    """A few sentences that say it all in short, whatever the size of the change."""
    base: Revision
    head: Revision
    knows_pods: bool = True
    """False without an inventory: every number of pods is 0 then."""
    certificate: Certificate | None = None
    """None: nobody verified HEAD."""
    policy: JudgementRecord | None = None
    """What the policy of BASE says of the change; None where there is none."""
    policy_line: str = ""
    """The same in a sentence."""
    unknown: tuple[str, ...] = ()
    """What this review could not know, and why."""
    findings: tuple[Finding, ...] = ()
    """Errors first."""
    networks_added: tuple[Arrival, ...] = ()
    networks_removed: tuple[Arrival, ...] = ()
    gained: tuple[Bond, ...] = ()
    lost: tuple[Bond, ...] = ()
    reachers: tuple[Reacher, ...] = ()
    settings: tuple[Setting, ...] = ()
    consents: tuple[Consent, ...] = ()
    moves: tuple[Move, ...] = ()
    cuts: tuple[Cut, ...] = ()
    allotted: tuple[Allotted, ...] = ()
    node_groups: tuple[NodeGroup, ...] = ()
    nodes: int = 0
    """In the inventory and taking part; with those in `node_groups` the others, whose plans stay."""
    picture: Picture = Picture()
