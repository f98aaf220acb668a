"""Leader election over a Lease of coordination.k8s.io: kube/candidate.py's reasoning, carried out.

`is_leader` is a comparison with the clock at the moment of the call: a process that was paused, or
whose renewals hang, knows by itself that its time is over. The clock counts through suspensions.
One hole is left, as in client-go: if somebody deletes the Lease under a leader, a candidate that has
only just started can create it anew before the leader's time is over.
"""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec

from kube.api import AlreadyExists, Api, ApiError, Conflict, Json, NotFound, ObjectRef
from kube.candidate import USUAL_TERMS, Candidate, Look, Record, Rest, Terms, Write
from kube.kinds import LEASES


def steady_time() -> float:
    """Seconds of a clock that nobody sets and that goes on while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def wall_time() -> datetime:
    return datetime.now(UTC)


def unique_identity(name: str = "") -> str:
    """Return an identity that no other process has, this one's next incarnation included."""
    return f"{name or os.uname().nodename}_{os.urandom(8).hex()}"


class Election:
    """One candidate, in a thread of its own from `start` to `stop`."""

    def __init__(
        self,
        api: Api,
        lease: ObjectRef,
        identity: str,
        *,
        terms: Terms = USUAL_TERMS,
        clock: Callable[[], float] = steady_time,
        wall: Callable[[], datetime] = wall_time,
        on_change: Callable[[bool], None] = lambda leads: None,
    ) -> None:
        """`identity` must be that of this process alone: see `unique_identity`.

        `api` should give up on a request well before `terms.renew` is over. `on_change` is called from
        the election's thread, after the fact: a loss is told when the thread notices, while
        `is_leader` knows at once.
        """
        self._api = api
        self._lease = lease
        self._clock = clock
        self._wall = wall
        self._on_change = on_change
        self._candidate = Candidate(identity=identity, terms=terms)
        self._stamped = datetime.min.replace(tzinfo=UTC)
        self._led = False
        self._error = ""
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"election-{lease.name}", daemon=True)

    def is_leader(self) -> bool:
        return not self._stopping.is_set() and self._candidate.leads(self._clock())

    def remaining(self) -> float:
        """Return for how many seconds this process leads even if no renewal succeeds any more."""
        return max(0.0, self._candidate.leads_until - self._clock()) if self.is_leader() else 0.0

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until this process leads or the election is stopped; return whether it leads."""
        with self._changed:
            self._changed.wait_for(lambda: self.is_leader() or self._stopping.is_set(), timeout)
        return self.is_leader()

    @property
    def identity(self) -> str:
        return self._candidate.identity

    @property
    def holder(self) -> str:
        """Who holds the Lease, as last seen; empty where nobody does."""
        return self._candidate.record.holder if self._candidate.record else ""

    @property
    def transitions(self) -> int:
        """How often the office has changed hands since the Lease was created."""
        return self._candidate.record.transitions if self._candidate.record else 0

    @property
    def error(self) -> str:
        """Why the last request failed; empty after a success."""
        return self._error

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float = 10) -> None:
        """Stop leading at once, and leave the Lease to others if the API server can be reached.

        Another may lead before this returns: what only a leader may do must have ended before.
        """
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def step(self) -> float:
        """Do the next thing; return after how many seconds to call again."""
        action = self._candidate.next(self._clock())
        match action:
            case Rest():
                self._notice()
                return max(0.0, action.until - self._clock())
            case Look():
                self._look()
            case Write():
                self._write(action)
        self._notice()
        return 0.0

    def release(self) -> None:
        """Stop leading, then say so in the Lease; without an answer others wait for the lease's end."""
        self._candidate = self._candidate.resigned()
        self._notice()
        for _ in range(2):
            write = self._candidate.release()
            if write is None:
                return
            if self._write(write):
                return
            self._look()  # an earlier renewal may have arrived after all

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                pause = self.step()
            except Exception as error:
                # Such as an answer that is no Lease. An election that died in silence would be worse.
                self._fail(error)
                continue
            if pause:
                # Candidates that started together are not to ask together.
                spread = 0.0 if self.is_leader() else random.uniform(0, pause * 0.2)
                self._stopping.wait(pause + spread)
        with contextlib.suppress(Exception):  # the process ends, and the Lease by itself
            self.release()

    def _look(self) -> None:
        try:
            record = _record(self._api.get(self._lease))
        except NotFound:
            record = None
        except ApiError as error:
            self._fail(error)
            return
        self._error = ""
        self._candidate = self._candidate.saw(record, self._clock())

    def _write(self, write: Write) -> bool:
        sent = self._clock()
        body = self._body(write)
        try:
            if write.over is None:
                answer = self._api.create(LEASES, body, namespace=self._lease.namespace)
            else:
                answer = self._api.replace(self._lease, body)
        except (Conflict, AlreadyExists, NotFound) as error:
            self._error = str(error)
            self._candidate = self._candidate.refused()
            return False
        except ApiError as error:
            self._fail(error)
            return False
        self._error = ""
        self._candidate = self._candidate.wrote(_record(answer), sent=sent, now=self._clock())
        return True

    def _fail(self, error: Exception) -> None:
        self._error = str(error) if isinstance(error, ApiError) else f"{type(error).__name__}: {error}"
        self._candidate = self._candidate.failed(self._clock())

    def _body(self, write: Write) -> Json:
        now = self._stamp()
        terms = self._candidate.terms
        metadata = {"name": self._lease.name, "namespace": self._lease.namespace}
        acquired = now
        if write.over:
            # The uid too: the server creates a missing Lease by PUT, whatever its version was.
            metadata |= {"resourceVersion": write.over.version, "uid": write.over.uid}
            acquired = now if write.takes else write.over.acquired or now
        spec = {
            "holderIdentity": write.holder,
            "leaseDurationSeconds": max(1, round(terms.lease)) if write.holder else 1,
            "acquireTime": acquired,
            "renewTime": now,
            "leaseTransitions": write.transitions,
        }
        return {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": metadata,
            "spec": spec,
        }

    def _stamp(self) -> str:
        """The wall clock's time as the API writes it, never the same twice: every renewal must be seen."""
        self._stamped = max(self._wall(), self._stamped + timedelta(microseconds=1))
        return self._stamped.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def _notice(self) -> None:
        leads = self.is_leader()
        if leads == self._led:
            return
        self._led = leads
        with self._changed:
            self._changed.notify_all()
        self._on_change(leads)


class _Metadata(msgspec.Struct, frozen=True, rename="camel"):
    resource_version: str
    uid: str = ""


class _Spec(msgspec.Struct, frozen=True, rename="camel"):
    holder_identity: str | None = None
    lease_duration_seconds: float | None = None
    acquire_time: str | None = None
    lease_transitions: int | None = None


class _Lease(msgspec.Struct, frozen=True):
    metadata: _Metadata
    spec: _Spec | None = None


_leases = msgspec.json.Decoder(_Lease)


def _record(data: bytes) -> Record:
    lease = _leases.decode(data)
    spec = lease.spec or _Spec()
    return Record(
        holder=spec.holder_identity or "",
        version=lease.metadata.resource_version,
        uid=lease.metadata.uid,
        transitions=spec.lease_transitions or 0,
        duration=spec.lease_duration_seconds or 0,
        acquired=spec.acquire_time or "",
    )
