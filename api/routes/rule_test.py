"""Tests a rule on stored orders before it is set: what it would have raised."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from pydantic import BeforeValidator, Field

from api.dependencies import UsesServices
from api.desk import CHANGE_PROBLEMS, Body, require_json
from api.keys import Analyst
from api.parameters import no_parameters
from api.problems import documented
from api.responses import uncached_response
from app.domain.timestamps import parse_instant

router = APIRouter(tags=["rules"])


def _instant(value: object) -> datetime:
    """Reads a text as every option and address is read; TimestampError is a ValueError."""
    if not isinstance(value, str):
        raise ValueError("write a text such as 2025-12-01T12:00:00Z")
    return parse_instant(value)


Instant = Annotated[datetime, BeforeValidator(_instant)]


class RuleTest(Body):
    """A draft, or the id of a rule that exists, and the range [from, to) of event time."""

    rule: dict[str, Any] | Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,49}$")] = Field(
        examples=[{"id": "large", "name": "Large", "kind": "amount", "above": "1000.00", "weight": 40}]
    )
    start: Instant = Field(alias="from", examples=["2025-12-01T00:00:00Z"])
    end: Instant = Field(alias="to", examples=["2025-12-08T00:00:00Z"])


@router.post(
    "/rules/test",
    dependencies=[Depends(require_json), Depends(no_parameters)],
    responses={**CHANGE_PROBLEMS, **documented(409)},
)
async def test_rule(body: RuleTest, services: UsesServices, _: Analyst) -> Response:
    """Judges stored orders by the rule, with editions and lists as they were; changes nothing.

    The answer is that of `globalmart rules test --json`. One test runs at a time; a longer range than the API allows
    is for the command line.
    """
    return uncached_response(await services.rule_tester.test(body.rule, body.start, body.end))
