"""The schema that is published says what the classes say."""

from __future__ import annotations

import json

import jsonschema
import pytest

import schemas
from review.document import document, schema
from tests.golden.review_case import REVIEW_CASES, reviewed


def test_the_published_schema_is_made_from_the_classes() -> None:
    assert json.loads(schemas.text("review.json")) == json.loads(json.dumps(schema()))


@pytest.mark.parametrize("name", REVIEW_CASES)
def test_every_golden_review_keeps_to_it(name: str) -> None:
    jsonschema.validate(json.loads(document(reviewed(name))), schema())
