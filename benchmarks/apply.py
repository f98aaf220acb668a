"""How long one changed element takes to reach the kernel, in a small table and in a large one.

Ours (libnftables in process, one transaction) beside `nft -f` of the same transaction, interleaved
in one run, inside a network namespace made for it. Run as root: python -m benchmarks.apply
"""

from __future__ import annotations

import ctypes
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from ipaddress import ip_address
from pathlib import Path

from nftables import Nftables

from compiler.names import NetworkNumber
from compiler.plan import Backend, NodePlan
from compiler.rendering import ruleset_of
from compiler.ruleset import Element, Ruleset, transaction
from tests.compiler.sample_plans import RED, node_plan, service

ROUNDS = 40
CLONE_NEWNET = 0x40000000


def ruleset_of_size(elements: int) -> Ruleset:
    """Services of one network with ten backends each, until the table holds that many elements."""
    return ruleset_of(_plan(elements // 11))


def _plan(services: int) -> NodePlan:
    def backends(index: int) -> tuple[Backend, ...]:
        return tuple(
            Backend(
                network=NetworkNumber(1),
                node=None,
                address=ip_address(f"10.1.{index % 250}.{slot + 1}"),
                port=8080,
            )
            for slot in range(10)
        )

    return node_plan(
        replace(RED, peers=()),
        services=tuple(
            replace(service(*backends(n)), addresses=(ip_address(int(ip_address("10.96.1.0")) + n),))
            for n in range(services)
        ),
    )


def toggled(ruleset: Ruleset, on: bool) -> Ruleset:
    peers = {**ruleset.sets["peers"]}
    if on:
        peers["7 . 8"] = Element(None, "team-a/red > team-a/blue")
    return replace(ruleset, sets={**ruleset.sets, "peers": peers})


def milliseconds(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


def measure(elements: int) -> tuple[int, float, float]:
    """Elements in the table; median milliseconds of one change, ours and `nft -f`."""
    ruleset = ruleset_of_size(elements)
    size = sum(map(len, ruleset.sets.values()))
    library = Nftables()

    def in_process(text: str) -> None:
        code, _, error = library.cmd(text)
        if code:
            raise RuntimeError(error)

    in_process(transaction(None, ruleset))
    plain, wider = toggled(ruleset, False), toggled(ruleset, True)
    there_and_back = (transaction(plain, wider), transaction(wider, plain))
    ours: list[float] = []
    theirs: list[float] = []
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "change.nft")
        for _ in range(ROUNDS):
            ours.extend(milliseconds(partial(in_process, text)) for text in there_and_back)
            for text in there_and_back:
                file.write_text(text)
                theirs.append(milliseconds(partial(by_nft, file)))
    return size, statistics.median(ours), statistics.median(theirs)


def by_nft(file: Path) -> None:
    subprocess.run(["nft", "-f", str(file)], check=True)


def main() -> None:
    if os.geteuid() != 0:
        sys.exit("benchmarks.apply: needs root, to make a network namespace")
    _unshare()
    print(f"Linux {platform.release()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"{'elements':>9} {'in process ms':>14} {'nft -f ms':>10} {'ratio':>6}")
    for elements in (1_000, 50_000):
        size, ours, theirs = measure(elements)
        print(f"{size:>9} {ours:>14.2f} {theirs:>10.2f} {theirs / ours:>6.1f}")


def _unshare() -> None:
    """Into a network namespace of its own (os.unshare came with Python 3.12)."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")


if __name__ == "__main__":
    main()
