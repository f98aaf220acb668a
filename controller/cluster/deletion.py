"""Why a network whose deletion somebody asked of the API server must wait.

The rules are those of a commit (`compiler.guards`), and `controller.composition` applies them: a network that
must wait stays in force, and as long as it does, its finalizer is not released. What Git still declares
may go at once: it comes back.
"""

from __future__ import annotations

from dataclasses import dataclass

from compiler.names import ObjectName


@dataclass(frozen=True, kw_only=True, slots=True)
class Hold:
    users: tuple[ObjectName, ...] = ()
    """The pods that use the network."""
    unconfirmed: int = 0
    """So many networks are being deleted at once, too many without a confirmation; 0 if it is not that.

    With neither, nobody has decided yet.
    """
