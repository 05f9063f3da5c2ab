"""Anything that the OpenAPI document allows, and much that it does not, thrown at every route of a running session: no crash, no answer beside it."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis
from manned import Manned
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from live.doors.tokens import Scope

pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module")
"""Schemathesis does, inside its strategies."""

FEW, MANY = 4, 200
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
OUTSIDE = {"/events"}
"""The stream never ends."""


def thrown(session: Manned, examples: int) -> dict[str, int]:
    """Requests by route, each answer held against the document."""
    schema = schemathesis.openapi.from_dict(session.app.openapi())
    token = session.token(Scope.ADMIN)  # what is looked for are crashes, not who comes in
    counted: dict[str, int] = {}
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.path in OUTSIDE:
            continue

        @hypothesis(max_examples=examples, database=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
        def ask(case: Any) -> None:
            if isinstance(case.body, dict) and "wait" in case.body:
                case.body["wait"] = 0
            counted[case.operation.label] = counted.get(case.operation.label, 0) + 1
            answer = case.call(base_url=f"http://localhost:{session.settings.server_port}", headers={"Authorization": f"Bearer {token}"})
            case.validate_response(answer, checks=CHECKS)

        given(case=operation.as_strategy())(ask)()
    return counted


def test_every_route_keeps_to_its_document(session: Manned) -> None:
    counted = thrown(session, FEW)
    assert len(counted) == len({(m, p) for p, methods in session.app.openapi()["paths"].items() if p not in OUTSIDE for m in methods})
    assert session.get("/healthz").status_code == 200
    assert session.floor.runner.error is None


@pytest.mark.soak
@pytest.mark.timeout(2400)
def test_every_route_keeps_to_its_document_for_long(session: Manned) -> None:
    thrown(session, MANY)
    assert session.get("/tools/healthcheck").status_code == 200
    assert session.floor.runner.error is None
