"""One Git operation in a process of its own that ends with it.

GitPython leaks in long-lived processes, and a hostile repository may make Git slow, large or crash;
here all of that ends with the process. Request on stdin, answer on stdout; the parent sets the
environment and the time-out.
"""

from __future__ import annotations

import resource
import signal
import sys

from controller.git_failure import failure_of
from controller.git_messages import (
    Answer,
    Blame,
    Commit,
    Compare,
    Failure,
    Fetch,
    Kind,
    Read,
    Request,
    Resolve,
    Verify,
    decode_request,
    encode,
)

MAX_PACK_BYTES = 1 << 30


def main() -> int:
    seconds = int(sys.argv[1])
    signal.alarm(seconds)  # should the parent have died meanwhile
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_PACK_BYTES, MAX_PACK_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answer = perform(decode_request(sys.stdin.buffer.read()))
    sys.stdout.buffer.write(encode(answer))
    return 0


def perform(request: Request) -> Answer:
    """Do one operation; what Git refuses comes back as a Failure."""
    try:
        import git  # runs `git version`, and raises ImportError where there is no git
    except ImportError as error:
        return Failure(kind=Kind.GIT_MISSING, detail=str(error).partition("\n")[0])
    try:
        return _perform(request)
    except git.GitCommandError as error:
        return failure_of(error)
    except (git.InvalidGitRepositoryError, git.NoSuchPathError) as error:
        return Failure(kind=Kind.NOT_A_REPOSITORY, detail=str(error))


def _perform(request: Request) -> Answer:
    """Do it with the modules that it needs alone: they are most of what starting costs."""
    match request:
        case Fetch():
            from controller.git_fetch import fetch

            return fetch(request)
        case Resolve():
            return _resolve(request)
        case Compare():
            from controller.git_history import compare

            return compare(request)
        case Blame():
            from controller.git_history import blame

            return blame(request)
        case Verify():
            from controller.git_verify import verify

            return verify(request)
        case Read():
            from controller.git_read import read

            return read(request)


def _resolve(request: Resolve) -> Answer:
    import git

    with git.Repo(request.repository, search_parent_directories=False) as repository:
        return Commit(name=str(repository.git.rev_parse("--verify", f"{request.revision}^{{commit}}")))


if __name__ == "__main__":
    sys.exit(main())
