"""Verdicts in nft's text: what ends a rule, and the values of verdict maps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from verifier.ruleset import Accept, Continue, Drop, Goto, Jump, Reject, Return, Verdict
from verifier.words import Words

_PLAIN: Final[dict[str, Callable[[], Verdict]]] = {
    "accept": Accept,
    "drop": Drop,
    "return": Return,
    "continue": Continue,
}
DEFAULT_ANSWER: Final = "icmpx port-unreachable"
"""Of `reject` alone, in a table of both families."""
_ANSWERS: Final = ("icmpx", "icmp", "icmpv6")


def verdict(tokens: Words) -> Verdict | None:
    """The verdict that comes next; None where something else does."""
    word = tokens.peek
    if word in _PLAIN:
        return _PLAIN[tokens.take()]()
    if tokens.takes("goto"):
        return Goto(chain=tokens.take())
    if tokens.takes("jump"):
        return Jump(chain=tokens.take())
    if tokens.takes("reject"):
        return Reject(answer=_answer(tokens))
    return None


def _answer(tokens: Words) -> str:
    if not tokens.takes("with"):
        return DEFAULT_ANSWER
    if tokens.takes("tcp", "reset"):
        return "tcp reset"
    kind = tokens.take()
    if kind not in _ANSWERS:
        raise tokens.error(f"a reject with `{kind}` is not understood")
    tokens.takes("type")
    return f"{kind} {tokens.take()}"
