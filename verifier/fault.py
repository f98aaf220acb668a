"""Input that no kernel can hold, or that the model has no place for: never passed over in silence."""

from __future__ import annotations


class NotModelled(Exception):
    """A construct whose meaning the verifier does not know: it judges nothing rather than guess.

    The message names the object, its place and what to do.
    """


class Contradiction(Exception):
    """A state that no kernel can have, such as a route over a device that does not exist."""
