"""The words of conditions and events, for machines; docs/reference/resources.md lists the same.

One flat table: an operator who meets a word finds it here once, whatever resource it stands on.
"""

from __future__ import annotations

from enum import StrEnum


class ConditionType(StrEnum):
    """In the manner of kstatus: Reconciling and Stalled stand only while they are so, and never together."""

    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    IN_SYNC = "InSync"
    """The resource says what Git says. Only where a commit declares it."""
    VERIFIED = "SourceVerified"
    """Of a NetworkSource that demands signatures."""
    ADDRESSES = "AddressesAvailable"
    """Of a network. Stands only while it is not so."""


class Reason(StrEnum):
    # Ready, on networks, routers and the cluster's configuration
    IN_FORCE = "InForce"
    """Every node that needs it has applied it; or none needs it yet."""
    APPLYING = "Applying"
    """Some nodes have not applied it yet."""
    NODES_FAILED = "NodesFailed"
    """On some nodes it could not be applied; their errors are in the message."""
    AWAITING_ROLLOUT = "AwaitingRollout"
    """The rollout has not reached some nodes."""
    AWAITING_CONSENT = "AwaitingConsent"
    """A router connects nothing, for those that it imports do not import it."""
    AWAITING_COMMIT = "AwaitingCommit"
    """Nothing is in force yet: no commit with a ClusterConfig has compiled."""
    INVALID = "Invalid"
    """The resource, declared by no commit, has an error; its last good version stays in force."""
    IN_USE = "InUse"
    """Deletion waits until no pod uses the network."""
    DELETION_UNCONFIRMED = "DeletionUnconfirmed"
    """Many networks are being deleted at once: deletion waits until `confirmDeletionOf` names them."""
    DELETING = "Deleting"
    """Deletion is under way."""

    # Ready, on a NetworkSource
    APPLIED = "Applied"
    """The commit seen last is in force on every node."""
    COMMIT_REFUSED = "CommitRefused"
    """The commit seen last has errors; the last good one stays in force. On other resources, for InSync."""
    SOURCE_UNREACHABLE = "SourceUnreachable"
    """The last look at the repository failed; what is in force stays."""
    VERIFICATION_FAILED = "VerificationFailed"
    """A commit carries no signature of an allowed key; what is in force stays."""
    ROLLING_OUT = "RollingOut"
    """The commit goes to the nodes in stages."""
    ROLLOUT_HALTED = "RolloutHalted"
    """A node did not become ready in time; the others keep what they have."""
    SUSPENDED = "Suspended"
    """`spec.suspend` is set: no commit is looked at."""
    SUPERSEDED = "Superseded"
    """Another NetworkSource is older: one counts."""
    INVALID_SOURCE = "InvalidSource"
    """The NetworkSource itself cannot be followed: its URL, its Secret, its keys."""
    RECOVERING = "Recovering"
    """The controller has started and not looked yet."""

    # InSync
    MATCHES_GIT = "MatchesGit"
    """Resources say what the commit in force says."""
    CONFLICT_WITH_GIT = "ConflictWithGit"
    """Another manager owns a field that Git declares otherwise. Git rules; the resource is not forced."""
    NOT_WRITTEN = "NotWritten"
    """The API server refused what Git says, or could not be reached; it is tried again."""

    # AddressesAvailable, on a network; on pods that wait, as an event
    ADDRESSES_EXHAUSTED = "AddressesExhausted"
    """The network's subnets have no block left for a node where pods need one."""

    # SourceVerified
    VERIFIED = "Verified"
    """Every commit since the one in force carries a signature of an allowed key."""
    NOT_VERIFIED_YET = "NotVerifiedYet"
    """No commit has been looked at."""

    # Events only
    NODE_READY = "NodeReady"
    """A node has applied its plan again after it could not."""
    APPLY_FAILED = "ApplyFailed"
    """A node could not apply its plan."""
    AWAITING_NETWORK = "AwaitingNetwork"
    """A pod waits: its network is unknown, or does not admit it."""
    MORE_EVENTS = "MoreEvents"
    """Events beyond what one turn records, summed up."""


PODS_WAIT = frozenset({Reason.AWAITING_NETWORK, Reason.ADDRESSES_EXHAUSTED})
"""Of events on pods."""
