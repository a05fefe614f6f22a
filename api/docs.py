"""The pages /docs and /redoc, whose files come from here: a browser needs no other host for them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import fastapi_offline
from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

from api.problems import Problem

_NOT_MODIFIED = {"description": "The ETag in If-None-Match is still the answer's"}
_FLEETING = (
    "/api/v1/live/revenue",
    "/api/v1/live/minutes",
    "/api/v1/anomalies/stream",
    "/api/v1/anomalies/stream/ticket",
    "/api/v1/operations",
    "/api/v1/thresholds",
    "/api/v1/rules/{rule_id}",
    "/api/v1/cases/{case_id}",
)
#: Swagger UI and ReDoc as published, in a package that is made of them.
_FOLDER: Final = Path(fastapi_offline.__file__).with_name("static")
_FILES: Final = "/docs-files"
#: Both pages carry a script and styles of their own; ReDoc searches in a worker, and would load its maker's logo.
_POLICY: Final = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; worker-src 'self' blob:; frame-ancestors 'none'"
)
_NO_LOGO: Final = b'<style>img[src^="https:"] { display: none }</style></head>'
#: Swagger UI would have the OpenAPI file judged by a public service.
_NO_VALIDATOR: Final = {"validatorUrl": None}


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
    for path, method, operation in _operations(schema):
        if path.startswith("/api/v1") and method == "get" and path not in _FLEETING:
            operation["responses"]["304"] = _NOT_MODIFIED
    return schema


def _open(schema: dict[str, Any]) -> None:
    """Removes the security scheme: no key is required."""
    schema["components"].pop("securitySchemes")
    for _, _, operation in _operations(schema):
        operation.pop("security", None)
        operation["responses"].pop("401", None)


def _operations(schema: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def serve_docs(app: FastAPI) -> None:
    """Add both pages to an app that was made without FastAPI's own."""
    app.mount(_FILES, StaticFiles(directory=_FOLDER))
    app.include_router(_pages(app.title, str(app.openapi_url)))


def _pages(title: str, openapi_url: str) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/docs")
    async def docs(request: Request) -> HTMLResponse:
        root = _root(request)
        page = get_swagger_ui_html(
            openapi_url=f"{root}{openapi_url}",
            title=title,
            swagger_js_url=f"{root}{_FILES}/swagger-ui-bundle.js",
            swagger_css_url=f"{root}{_FILES}/swagger-ui.css",
            swagger_favicon_url=f"{root}{_FILES}/favicon.png",
            swagger_ui_parameters=_NO_VALIDATOR,
        )
        return _closed(page)

    @router.get("/redoc")
    async def redoc(request: Request) -> HTMLResponse:
        root = _root(request)
        page = get_redoc_html(
            openapi_url=f"{root}{openapi_url}",
            title=title,
            redoc_js_url=f"{root}{_FILES}/redoc.standalone.js",
            redoc_favicon_url=f"{root}{_FILES}/favicon.png",
            with_google_fonts=False,
        )
        return _closed(page)

    return router


def _closed(page: HTMLResponse) -> HTMLResponse:
    """The page with a policy that lets the browser ask nobody but this server."""
    body = bytes(page.body).replace(b"</head>", _NO_LOGO)
    return HTMLResponse(body, headers={"Content-Security-Policy": _POLICY})


def _root(request: Request) -> str:
    """Where a proxy shows the API, if below a path."""
    root: str = request.scope.get("root_path", "")
    return root.rstrip("/")
