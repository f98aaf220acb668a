"""Everything read once: each kind in a thread of its own, page by page, decoded as the pages come."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from cli.status_board import Board, reason_of, selections
from controller.cluster.reasons import PODS_WAIT
from kube.api import Api, ApiError, Gone, Unauthorized, Unreachable
from kube.kinds import NODE_NETWORKS, PODS
from kube.raw import Malformed, split_page
from kube.reflector import Selection
from kube.resource import Resource

_PAGE = 500
_PAGES: Mapping[Resource, int] = {NODE_NETWORKS: 25}
"""Objects of a page, where they are large: a plan may be a megabyte."""
_ATTEMPTS = 3
"""At a list whose later pages the server has forgotten meanwhile."""


def page_of(resource: Resource) -> int:
    return _PAGES.get(resource, _PAGE)


def read_all(api: Api, namespace: str) -> Board:
    """Raises ApiError where nothing at all can be read since nobody answers, or knows the bearer."""
    board = Board(namespace=namespace)
    chosen = {selection.resource: selection for selection in selections(namespace)}
    pods = chosen.pop(PODS)
    with ThreadPoolExecutor(max_workers=len(chosen)) as workers:
        found = list(workers.map(lambda selection: _read(api, board, selection), chosen.values()))
    errors = [error for error in found if error]
    away = [error for error in errors if isinstance(error, Unreachable | Unauthorized)]
    if away and len(errors) == len(chosen):
        raise away[0]
    if any(event.reason in PODS_WAIT for event in board.facts(datetime.now(UTC)).events):
        # Only then does it matter which pods have not started: there may be thousands.
        _read(api, board, pods)
    return board


def _read(api: Api, board: Board, selection: Selection) -> ApiError | None:
    resource = selection.resource
    for _ in range(_ATTEMPTS):
        try:
            _list(api, board, selection)
        except Gone:
            board.clear(resource)
            continue
        except ApiError as error:
            board.cannot_read(resource, reason_of(resource, error))
            return error
        except Malformed as error:
            board.cannot_read(resource, str(error))
        return None
    board.cannot_read(resource, "it changes faster than it can be listed: ask again")
    return None


def _list(api: Api, board: Board, selection: Selection) -> None:
    resource, token, more = selection.resource, "", True
    while more:
        page = split_page(
            api.list(
                resource,
                namespace=selection.namespace,
                field_selector=selection.field_selector,
                limit=page_of(resource),
                continue_token=token,
            )
        )
        for item in page.items:
            board.put(resource, item.key, item.data)
        token = page.continue_token
        more = bool(token)
