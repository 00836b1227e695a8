"""The API keeps its own description, whatever it is asked: schemathesis makes up the questions."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from chainwatch_collector.show.app import build_app
from chainwatch_collector.show.settings import ShowSettings
from collector.show.estate import estate
from collector.show.secured import secured
from collector.show.serving import OpenGuard, served
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
WITHOUT = ("/api/v1/stream", "/api/v1/raw")
"""The stream has no end, and raw lines come from agents: other tests ask these."""


SCHEMA = schemathesis.openapi.from_dict(build_app(estate(), OpenGuard(), ShowSettings()).openapi())


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """With accounts, tokens and a CA."""
    with secured(tmp_path_factory.mktemp("openapi")) as made, served(made.app) as url:
        yield url


@SCHEMA.exclude(path=list(WITHOUT)).parametrize()
@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_an_answer_is_what_the_description_says(case: "Case[Any]", address: str) -> None:
    case.call_and_validate(base_url=address, headers={"Authorization": "Bearer admin"}, checks=CHECKS)
