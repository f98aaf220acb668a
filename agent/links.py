"""The kernel of the agent's own network namespace, by rtnetlink and the sysctls of our links.

A pod's end is configured by a thread that enters the pod's namespace and ends there: the thread
that owns the agent's sockets never leaves its own.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from agent import messages
from agent.actions import Action, CreateLink, Put, Remove, RemoveGroup, RemoveLink, SetLink
from agent.kernel import Failure, KernelRefused, Observation, PodEnd
from agent.messages import Indexes, UnknownLink
from agent.netns import NotANamespace, inside, open_netns
from agent.observe import observe
from agent.pod_end import configure, problem_of
from agent.rtnetlink import DumpInterrupted, Refusal, Request, Rtnetlink
from agent.sysctls import LINK_SETTINGS, write_settings
from compiler.layout import Link


class Links:
    """`agent.kernel.Kernel`, for real. Needs CAP_NET_ADMIN, and CAP_SYS_ADMIN to enter pods.

    Made and called by threads of one network namespace. Callers at a time have a socket each.
    """

    def __init__(self) -> None:
        self._idle = [Rtnetlink()]
        self._putting_back = threading.Lock()
        self._making = threading.Lock()
        """The kernel makes one port at a time anyway, and who waits for it elsewhere than here spins."""

    def close(self) -> None:
        for netlink in self._idle:
            netlink.close()

    def observe(self) -> Observation:
        with _told_as("read links, routes and rules"), self._socket() as netlink:
            return observe(netlink)

    def apply(self, actions: Sequence[Action]) -> None:
        failures: list[Failure] = []
        with _told_as("change links, routes and rules"), self._socket() as netlink:
            for run in _runs(actions):
                failures += _run(netlink, run)
        if failures:
            raise KernelRefused(failures)

    def plug(self, port: Link, end: PodEnd) -> None:
        title = f"create pod port {port.name} and {end.interface} in {end.netns}"
        with _told_as(title), open_netns(end.netns) as netns, self._making, self._socket() as netlink:
            removal = messages.remove_link(port.name)
            creation = messages.create_port(
                port, interface=end.interface, mac=end.mac, mtu=end.mtu, netns=netns
            )
            for refusal in netlink.batch([removal, creation]):
                if refusal.index == 1:  # there is seldom anything to remove
                    raise KernelRefused([Failure(action=title, reason=str(refusal))])
            try:
                write_settings(port.name, LINK_SETTINGS)
                inside(netns, lambda: configure(end))
            except BaseException:
                netlink.batch([removal])
                raise

    def pod_problem(self, end: PodEnd) -> str | None:
        try:
            with _told_as(f"look at {end.interface}"), open_netns(end.netns) as netns:
                return inside(netns, lambda: problem_of(end))
        except KernelRefused as error:
            return str(error.failures[0].reason)

    def has_namespace(self, path: str) -> bool:
        try:
            with open_netns(path):
                return True
        except NotANamespace:
            return False

    @contextmanager
    def _socket(self) -> Iterator[Rtnetlink]:
        """One that nobody else uses; one is kept. What an exception has interrupted is not used again."""
        try:
            netlink = self._idle.pop()
        except IndexError:
            netlink = Rtnetlink()
        try:
            yield netlink
        except BaseException:
            netlink.close()
            raise
        with self._putting_back:
            if not self._idle:
                self._idle.append(netlink)
                return
        netlink.close()


def _run(netlink: Rtnetlink, actions: Sequence[Action]) -> list[Failure]:
    """One batch; for links, a second one that enslaves them and brings them up."""
    failures = _batch(netlink, actions)
    failed = {failure.action for failure in failures}
    # A link that could not be created may be somebody else's of that name: not to be touched.
    created = [a for a in actions if isinstance(a, CreateLink) and str(a) not in failed]
    for action in created:
        for end in filter(None, (action.link.name, action.link.peer)):
            try:
                write_settings(end, LINK_SETTINGS)
            except OSError as error:
                failures.append(Failure(action=str(action), reason=str(error)))
    return failures + _batch(netlink, [SetLink(link=a.link, was=a.link) for a in created])


def _batch(netlink: Rtnetlink, actions: Sequence[Action]) -> list[Failure]:
    indexes = Indexes()
    failures: list[Failure] = []
    requests: list[Request] = []
    senders: list[Action] = []
    for action in actions:
        try:
            built = list(_requests(action, indexes))
        except UnknownLink as error:
            if not isinstance(action, Remove):
                failures.append(Failure(action=str(action), reason=str(error)))
            continue
        requests += built
        senders += [action] * len(built)
    for refusal in netlink.batch(requests):
        action = senders[refusal.index]
        if not _harmless(action, requests[refusal.index], refusal):
            failures.append(Failure(action=str(action), reason=_reason(action, refusal)))
    return failures


@contextmanager
def _told_as(title: str) -> Iterator[None]:
    """Trouble that is not the kernel's answer to one request, as the failure of an action."""
    try:
        yield
    except (NotANamespace, DumpInterrupted, OSError) as error:
        raise KernelRefused([Failure(action=title, reason=str(error))]) from error


def _runs(actions: Sequence[Action]) -> Iterator[Sequence[Action]]:
    """Cut where indexes become known or pass away: before and after the creation of links."""
    start = 0
    for position in range(1, len(actions) + 1):
        if position == len(actions) or isinstance(actions[position], CreateLink) != isinstance(
            actions[start], CreateLink
        ):
            yield actions[start:position]
            start = position


def _requests(action: Action, indexes: Indexes) -> Iterator[Request]:
    match action:
        case CreateLink():
            yield messages.create_link(action.link)
        case SetLink():
            yield from _set_requests(action.link, action.was, indexes)
        case RemoveLink():
            yield messages.remove_link(action.name)
        case RemoveGroup():
            yield messages.remove_group(action.group)
        case Put():
            yield messages.put(action.entry, indexes)
        case Remove():
            yield messages.remove(action.entry, indexes)


def _set_requests(link: Link, was: Link | None, indexes: Indexes) -> Iterator[Request]:
    """What is so already is not sent: some drivers refuse any hardware address while the link is up, and for
    a group, even the same, the kernel walks all routes of IPv6 (netdev_state_change).
    """
    yield messages.set_link(
        indexes[link.name],
        group=None if was and was.group == link.group else link.group,
        mac=None if was and was.mac == link.mac else link.mac,
        mtu=None if was and was.mtu == link.mtu else link.mtu,
        master=indexes[link.master] if link.master else None,
    )
    if link.peer is not None:
        yield messages.set_link(
            indexes[link.peer],
            group=None if was and was.peer_group == link.peer_group else link.peer_group,
            mac=None if was and was.peer_mac == link.peer_mac else link.peer_mac,
            mtu=None if was is link else link.mtu,
        )
    created = was is link
    if was is not None and was.alt_name is not None and was.alt_name != link.alt_name:
        yield messages.alternative_name(indexes[link.name], was.alt_name, add=False)
    if link.alt_name is not None and (created or was is None or was.alt_name != link.alt_name):
        yield messages.alternative_name(indexes[link.name], link.alt_name, add=True)


def _harmless(action: Action, request: Request, refusal: Refusal) -> bool:
    """What is gone already needs no removal; an alternative name is only for the eyes."""
    if request.type in (messages.RTM_NEWLINKPROP, messages.RTM_DELLINKPROP):
        return True
    absent = (errno.ENOENT, errno.ESRCH, errno.ENODEV, errno.EADDRNOTAVAIL)
    return isinstance(action, Remove | RemoveLink | RemoveGroup) and refusal.errno in absent


def _reason(action: Action, refusal: Refusal) -> str:
    if isinstance(action, CreateLink) and refusal.errno == errno.EEXIST:
        return f"a device named {action.link.name} exists and is not Atoll's: rename or remove it"
    if isinstance(action, CreateLink) and refusal.errno == errno.EOPNOTSUPP:
        return f"the kernel has no {action.link.kind} devices: `atoll agent` at its start names the remedy"
    return str(refusal)
