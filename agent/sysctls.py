"""Per-interface settings of the kernel, of the network namespace of the calling thread."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

ROOT: Final = Path(os.environ.get("ATOLL_SYSCTLS", "/proc/sys/net"))
"""Container runtimes mount a container's own /proc/sys read-only. The host's, mounted elsewhere, will do: its
entries are those of the asking thread's network namespace, too."""

_LONGEST: Final = 16
"""Bytes of a value."""

Setting = tuple[str, str, str]
"""Family ("ipv4", "ipv6"), name, value."""

LINK_SETTINGS: Final[tuple[Setting, ...]] = (
    ("ipv4", "rp_filter", "0"),  # nftables checks sources, in VRFs exactly
    ("ipv4", "forwarding", "1"),
    ("ipv4", "accept_redirects", "0"),
    ("ipv4", "send_redirects", "0"),
    ("ipv6", "disable_ipv6", "0"),
    ("ipv6", "forwarding", "1"),
    ("ipv6", "accept_ra", "0"),
    ("ipv6", "accept_redirects", "0"),
    ("ipv6", "accept_dad", "0"),
    ("ipv6", "addr_gen_mode", "1"),  # none: next hops on our links are configured, never discovered
)


def write_settings(link: str, settings: Iterable[Setting]) -> None:
    """A family that the kernel lacks has no settings; a link gone meanwhile needs none.

    What is so already is left alone: a writer of some of these spins while another has the lock of all
    network configuration (restart_syscall in net/ipv6/addrconf.c), and every pod waits for fifteen of them.
    """
    for family, name, value in settings:
        try:
            descriptor = os.open(f"{ROOT}/{family}/conf/{link}/{name}", os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        wanted = value.encode("ascii")
        try:
            if os.pread(descriptor, _LONGEST, 0).strip() != wanted:
                os.pwrite(descriptor, wanted, 0)
        finally:
            os.close(descriptor)


def read_global(family: str, name: str) -> str | None:
    """`net.<family>.<name>`; None where the kernel has no such setting."""
    try:
        return (ROOT / family / name).read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None
