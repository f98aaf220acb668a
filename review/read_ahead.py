"""Declaration files read by several processes, so that the parse which needs all of them finds them read.

Reading YAML is a tenth of a second for a hundred files, and each depends on nothing but itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from multiprocessing.connection import Connection

from compiler.parse import FileCache, parse
from review.forked import Forked, processes_for

_TOGETHER = 8
"""Files that are as much work as what `processes_for` counts."""


def read_ahead(files: Mapping[str, bytes], *, processes: int | None = None) -> FileCache:
    """What `parse` may be given. `processes`: how many share the work, this one among them; 0: nobody."""
    count = processes_for(len(files) // _TOGETHER) if processes is None else processes
    if not count:
        return FileCache()
    paths = sorted(files)
    first, *others = ({path: files[path] for path in paths[start::count]} for start in range(count))
    hands = [Forked(partial(_send, share)) for share in others]
    try:
        shares = [parse(first, revision="").cache, *Forked.received([(hand, 1) for hand in hands])]
    finally:
        for hand in hands:
            hand.dismiss()
    return FileCache(files={path: read for share in shares for path, read in share.files.items()})


def _send(files: Mapping[str, bytes], parent: Connection) -> None:
    parent.send(FileCache(files=parse(files, revision="").cache.files))
