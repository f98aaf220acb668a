"""Records of the standard library become log lines."""

from __future__ import annotations

import logging

from cli.log_lines import LogLines
from controller.log import MemoryLog


def test_a_record_is_one_event_with_its_level() -> None:
    log = MemoryLog()
    logger = logging.Logger("atoll.agent")
    logger.addHandler(LogLines(log))

    logger.warning("repaired: %s", "link vn1")

    assert log.events == [("repaired: link vn1", {"level": "warning", "logger": "atoll.agent"})]


def test_an_exception_is_a_fact_of_its_event() -> None:
    log = MemoryLog()
    logger = logging.Logger("atoll.agent")
    logger.addHandler(LogLines(log))

    try:
        raise ValueError("no such link")
    except ValueError:
        logger.exception("cannot repair")

    event, facts = log.events[0]
    assert event == "cannot repair"
    assert str(facts["exception"]).endswith("ValueError: no such link")
