"""The OpenAPI document: problems in their own media type, and 304 for every cacheable GET."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.problems import Problem

_NOT_MODIFIED = {"description": "The ETag in If-None-Match is still the answer's"}
_FLEETING = (
    "/api/v1/live/revenue",
    "/api/v1/anomalies/stream",
    "/api/v1/anomalies/stream/ticket",
    "/api/v1/operations",
)


def describe(app: FastAPI, *, keyed: bool) -> None:
    """Completes the app's OpenAPI document with what its routes cannot declare; `keyed` if keys are required."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _schema(app)
            if not keyed:
                _open(app.openapi_schema)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _schema(app: FastAPI) -> dict[str, Any]:
    schema = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
    schemas = schema["components"]["schemas"]
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= problem.pop("$defs")
    schemas["Problem"] = problem
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for path, operation in _operations(schema):
        if path.startswith("/api/v1") and path not in _FLEETING:
            operation["responses"]["304"] = _NOT_MODIFIED
    return schema


def _open(schema: dict[str, Any]) -> None:
    """Removes the security scheme: no key is required."""
    schema["components"].pop("securitySchemes")
    for _, operation in _operations(schema):
        operation.pop("security", None)
        operation["responses"].pop("401", None)


def _operations(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in schema["paths"].items():
        for operation in methods.values():
            yield path, operation
