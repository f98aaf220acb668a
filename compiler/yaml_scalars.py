"""Scalars of YAML 1.2's core schema (section 10.3.2), as JSON knows them: finite and within 64 bits."""

from __future__ import annotations

import math
import re

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_DECIMAL = re.compile(r"[-+]?[0-9]+")
_OTHER_BASE = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_MAY_NOT_BE_TEXT = frozenset("~nNtTfF0123456789+-.")
# Double-quoted scalars can escape what the text itself may not contain.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_LONGEST_NUMBER = 24


class OutOfRange(ValueError):
    """A scalar that has no counterpart here."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def plain_value(text: str) -> bool | int | float | str | None:
    """The value of an unquoted scalar. Raises OutOfRange for infinite, undefined and overlong numbers."""
    if text and text[0] not in _MAY_NOT_BE_TEXT:
        return text
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _NOT_FINITE.fullmatch(text):
        raise OutOfRange("ATL113", f"the number `{text}` is not finite")
    if _DECIMAL.fullmatch(text) or _OTHER_BASE.fullmatch(text):
        return _whole(text)
    if _FLOAT.fullmatch(text):
        return _fraction(text)
    return text


def _whole(text: str) -> int:
    number = None
    if len(text) <= _LONGEST_NUMBER:
        number = int(text, 0) if _OTHER_BASE.fullmatch(text) else int(text)
    if number is None or not -(2**63) <= number < 2**63:
        raise OutOfRange("ATL113", f"the number `{text[:_LONGEST_NUMBER]}` does not fit into 64 bits")
    return number


def _fraction(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise OutOfRange("ATL113", f"the number `{text[:_LONGEST_NUMBER]}` is too large")
    return number


def quoted_value(text: str) -> str:
    """The text of a quoted or block scalar, escaped surrogate pairs joined. Raises OutOfRange for others."""
    unprintable = _UNPRINTABLE.search(text)
    if unprintable is None:
        return text
    joined = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if "\ufffd" in joined or _UNPRINTABLE.search(joined):
        raise OutOfRange(
            "ATL103", f"the text contains the control character U+{ord(unprintable.group()):04X}"
        )
    return joined
