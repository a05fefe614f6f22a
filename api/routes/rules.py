"""Rules of the fraud desk: read, made, changed, and how well each does."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, Field

from api.dependencies import Services, UsesServices
from api.desk import CHANGE_PROBLEMS, VERSION_PROBLEMS, Body, ExpectedVersion, Reason, require_json
from api.keys import Admin
from api.parameters import PeriodQuery, no_parameters
from api.problems import ProblemError, documented, invalid
from api.queries import rules
from api.responses import Amount, cacheable_response, example, versioned_response
from app.fraud import catalogue
from app.fraud.backtest.sample import warning_of
from app.fraud.editions import RuleDesk
from app.fraud.rule_errors import UnknownNameError, VersionConflictError
from app.fraud.rules import KIND_NAMES, SEVERITIES, AnyRule, parse_rule
from app.fraud.texts import MAX_REASON, checked_text

router = APIRouter(prefix="/rules", tags=["rules"])
thresholds_router = APIRouter(prefix="/thresholds", tags=["rules"])

_DAY: Final = timedelta(hours=24)
_REASON: Final = "reason"
_DEFINITION: Final = """{"kind": "amount", "id": "high_value", "name": "High value", "severity": "high", "weight": 40,
"cooldown_minutes": 0, "state": "active", "where": {}, "above": "5000.00"}"""
_CHANGED: Final = """
"version": 1, "edition": 1, "author": "globalmart migrate", "reason": "the guide's rules",
"changed_at": "2025-12-01T00:00:00Z\""""
_RULE: Final = f"""{{"id": "high_value", "name": "High value", "kind": "amount", "state": "active", "severity": "high",
"weight": 40, {_CHANGED}, "definition": {_DEFINITION}, "raised_24h": 12, "raised_total": 4812, "shadow_24h": 0,
"shadow_total": 0"""
_EXAMPLE: Final = f"""{{"edition": 1, "review_from": 30, "block_from": 80, "rules": [{_RULE}}}]}}"""
_ONE_EXAMPLE: Final = f"""{_RULE}, "versions": [{{{_CHANGED}, "definition": {_DEFINITION}}}]}}"""
_SET_EXAMPLE: Final = f'{_ONE_EXAMPLE[:-1]}, "warning": null}}'
_PERFORMANCE_EXAMPLE: Final = """
{"id": "high_value", "period": {"start": null, "end": null}, "fraud_in_period": 40, "versions": [{"version": 1,
"raised": 120, "raised_in_shadow": 0, "fraud": 30, "legitimate": 60, "precision": 0.3333, "recall": 0.75,
"money_caught": 190000.5, "money_wrongly_stopped": 80000.0, "median_seconds_to_detect": 0.031}]}"""
#: Of its rule a body says more by kind; what is wrong is answered with the field's name.
_PROPERTIES: Final[dict[str, dict[str, Any]]] = {
    "id": {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,49}$"},
    "name": {"type": "string", "minLength": 1, "maxLength": 100},
    "kind": {"enum": list(KIND_NAMES)},
    "severity": {"enum": list(SEVERITIES)},
    "weight": {"type": "integer", "minimum": 0, "maximum": 100},
    "cooldown_minutes": {"type": "integer", "minimum": 0, "maximum": 10_080},
    "state": {"enum": ["active", "shadow", "paused"]},
    "where": {"type": "object"},
    _REASON: {"type": "string", "maxLength": MAX_REASON},
}
_RULE_BODY: Final = {
    "type": "object",
    "description": "The rule's definition and the reason; parameters by kind are in app/fraud/rules.py.",
    "properties": _PROPERTIES,
}
_NEW_BODY: Final = {
    **_RULE_BODY,
    "required": ["id", "name", "kind"],
    "examples": [
        {"kind": "spend", "id": "spree", "name": "Spree", "above": "8000.00", "seconds": 3600, "reason": "try it"}
    ],
}
#: Null sets these back.
_WITH_DEFAULT: Final = ("severity", "weight", "cooldown_minutes", "state", "where")
_CHANGE_BODY: Final = {
    **_RULE_BODY,
    "properties": {
        name: {"anyOf": [schema, {"type": "null"}]} if name in _WITH_DEFAULT else schema
        for name, schema in _PROPERTIES.items()
    },
    "examples": [{"weight": 60, "state": "active", "reason": "it finds fraud"}],
}

RuleId = Annotated[str, Path(min_length=1, max_length=50, examples=["high_value"])]


class RuleVersion(BaseModel):
    """A version of a rule: who made it, when and why; `definition` is as `globalmart rules set` reads it."""

    version: int
    edition: int
    author: str
    reason: str
    changed_at: datetime
    definition: dict[str, Any]


class Rule(RuleVersion):
    """The newest version of a rule, and how many orders raised it: for anomalies, and in shadow.

    The 24 hours go by the time of the order.
    """

    id: str
    name: str
    kind: str
    state: str
    severity: str
    weight: int
    raised_24h: int
    raised_total: int
    shadow_24h: int
    shadow_total: int


class OneRule(Rule):
    """A rule with all its versions, newest first."""

    model_config = example(_ONE_EXAMPLE)
    versions: list[RuleVersion]


class SetRule(OneRule):
    """A rule that was made or changed; `warning` says so where it would raise a large share of the last day's orders.

    The share is that of a sample of up to 1,000 orders.
    """

    model_config = example(_SET_EXAMPLE)
    warning: str | None


class Thresholds(BaseModel):
    """The scores from which an order is reviewed and blocked, as of an edition."""

    edition: int
    review_from: int
    block_from: int


class VersionedThresholds(Thresholds):
    """The scores, and their version: the edition that made them so."""

    model_config = example('{"edition": 7, "review_from": 30, "block_from": 80, "version": 1}')
    version: int


class Rules(Thresholds):
    """All rules of the newest edition, in the order in which they were made."""

    model_config = example(_EXAMPLE)
    rules: list[Rule]


class ThresholdsChange(Body):
    """New scores and the reason."""

    review_from: int = Field(ge=1, le=100, strict=True)
    block_from: int = Field(ge=1, le=100, strict=True)
    reason: Reason = ""


class VersionPerformance(BaseModel):
    """What a version raised in the period, suppressed repeats included, and what the labels say of it.

    `precision` is the share of fraud in what is labelled, `recall` its share of all fraud of the period; null where
    there is none. `money_caught` is the amount of fraud, `money_wrongly_stopped` that of legitimate orders that were
    not let through.
    """

    version: int
    raised: int
    raised_in_shadow: int
    fraud: int
    legitimate: int
    precision: Amount | None
    recall: Amount | None
    money_caught: Amount
    money_wrongly_stopped: Amount
    median_seconds_to_detect: Amount | None


class ShownPeriod(BaseModel):
    """The period as it was asked for."""

    start: str | None
    end: str | None


class RulePerformance(BaseModel):
    """By version, newest first; the period is that of the orders."""

    model_config = example(_PERFORMANCE_EXAMPLE)
    id: str
    period: ShownPeriod
    fraud_in_period: int
    versions: list[VersionPerformance]


@router.get("", response_model=Rules, dependencies=[Depends(no_parameters)], responses=documented(404))
async def all_rules(request: Request, services: UsesServices) -> Response:
    """The rules of the newest edition, its thresholds, and what every rule raised."""
    thresholds = await _thresholds(services)
    found = await catalogue.rules(services.database, services.now() - _DAY)
    return cacheable_response(request, {**thresholds, "rules": found})


@router.get("/{rule_id}", response_model=OneRule, dependencies=[Depends(no_parameters)], responses=documented(404))
async def one_rule(services: UsesServices, rule_id: RuleId) -> Response:
    """One rule with all its versions; `ETag` is the version that a change names."""
    return await _answer(services, rule_id)


@router.post(
    "",
    response_model=SetRule,
    status_code=201,
    dependencies=[Depends(require_json), Depends(no_parameters)],
    responses={**CHANGE_PROBLEMS, **documented(409)},
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": _NEW_BODY}}}},
)
async def new_rule(request: Request, services: UsesServices, caller: Admin) -> Response:
    """Makes a rule, in shadow unless it says otherwise; it judges the next orders."""
    fields = _fields(await request.body())
    reason = _reason_of(fields)
    rule = parse_rule(msgspec.json.encode(fields))
    async with services.desk.connection() as connection:
        try:
            await RuleDesk(connection, caller.name).set_rule(rule, reason, expected_version=0)
        except VersionConflictError as error:
            detail = f"there is a rule {rule.id} already, at version {error.current}; change it with PATCH"
            raise ProblemError(409, detail, current_version=error.current) from error
        warning = await warning_of(connection, rule)
    return await _answer(services, rule.id, 201, warning=warning)


@router.patch(
    "/{rule_id}",
    response_model=SetRule,
    dependencies=[Depends(require_json), Depends(no_parameters)],
    responses={**CHANGE_PROBLEMS, **VERSION_PROBLEMS},
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": _CHANGE_BODY}}}},
)
async def change_rule(
    request: Request, services: UsesServices, caller: Admin, rule_id: RuleId, expected: ExpectedVersion
) -> Response:
    """Changes the given fields of a rule; null sets one back to what it is by default, `where` is replaced whole."""
    fields = _fields(await request.body())
    reason = _reason_of(fields)
    present = await catalogue.rule(services.database, rule_id, services.now())
    if present is None:
        raise UnknownNameError(_unknown(rule_id))
    if not fields:
        raise invalid("body", "nothing is to change; give a field of the definition")
    rule = _merged(present["definition"], fields)
    if rule.id != rule_id:
        raise invalid("id", "the id of a rule never changes; make another rule and pause this one")
    # It is merged into what was read here: if that was not the version expected, or is not any more, nothing happens.
    version = present["version"] if expected is None else expected
    async with services.desk.connection() as connection:
        await RuleDesk(connection, caller.name).set_rule(rule, reason, expected_version=version)
        warning = await warning_of(connection, rule)
    return await _answer(services, rule_id, warning=warning)


@router.get("/{rule_id}/performance", response_model=RulePerformance, responses=documented(404))
async def performance(
    request: Request, services: UsesServices, rule_id: RuleId, query: Annotated[PeriodQuery, Query()]
) -> Response:
    """What each version of a rule raised in a period, and by the labels how much of it was fraud."""
    if await catalogue.rule(services.database, rule_id, services.now()) is None:
        raise UnknownNameError(_unknown(rule_id))
    period = query.period
    measured = await rules.performance(services.database, rule_id, period)
    shown = {"start": period.start_text, "end": period.end_text}
    return cacheable_response(request, {"id": rule_id, "period": shown, **measured})


@thresholds_router.get(
    "", response_model=VersionedThresholds, dependencies=[Depends(no_parameters)], responses=documented(404)
)
async def thresholds(services: UsesServices) -> Response:
    """The scores from which an order is reviewed and blocked; `ETag` is the version that a change names."""
    return await _answer_thresholds(services)


@thresholds_router.patch(
    "",
    response_model=VersionedThresholds,
    dependencies=[Depends(require_json), Depends(no_parameters)],
    responses={**CHANGE_PROBLEMS, **VERSION_PROBLEMS},
)
async def change_thresholds(
    services: UsesServices, caller: Admin, change: ThresholdsChange, expected: ExpectedVersion
) -> Response:
    """Changes the scores from which an order is reviewed and blocked."""
    async with services.desk.connection() as connection:
        desk = RuleDesk(connection, caller.name)
        await desk.set_thresholds(change.review_from, change.block_from, change.reason, expected)
    return await _answer_thresholds(services)


async def _thresholds(services: Services) -> dict[str, int]:
    newest = await catalogue.newest(services.database)
    if newest is None:
        raise UnknownNameError("there is no edition of rules: run `globalmart migrate`")
    return {name: newest[name] for name in Thresholds.model_fields}


async def _answer_thresholds(services: Services) -> Response:
    version = await catalogue.thresholds_version(services.database)
    return versioned_response({**await _thresholds(services), "version": version}, version)


async def _answer(services: Services, rule_id: str, status: int = 200, **more: Any) -> Response:
    found = await catalogue.rule(services.database, rule_id, services.now() - _DAY)
    if found is None:
        raise UnknownNameError(_unknown(rule_id))
    return versioned_response({**found, **more}, found["version"], status)


def _unknown(rule_id: str) -> str:
    return f"there is no rule {rule_id}; GET /api/v1/rules lists them"


def _fields(body: bytes) -> dict[str, msgspec.Raw]:
    """The fields of an object, each as it was written: an amount is never read as a float."""
    try:
        return msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except RecursionError:
        raise invalid("body", "it is nested too deeply; a rule has one level, `where`") from None
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise invalid("body", f"send a JSON object: {error}") from None


def _reason_of(fields: dict[str, msgspec.Raw]) -> str:
    raw = fields.pop(_REASON, None)
    try:
        reason = "" if raw is None else msgspec.json.decode(raw, type=str)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise invalid(_REASON, str(error)) from None
    return checked_text(_REASON, reason, MAX_REASON)


def _merged(definition: dict[str, Any], changes: dict[str, msgspec.Raw]) -> AnyRule:
    merged: dict[str, Any] = {**definition, **changes}
    kept = {name: value for name, value in merged.items() if value != msgspec.Raw(b"null")}
    return parse_rule(msgspec.json.encode(kept))
