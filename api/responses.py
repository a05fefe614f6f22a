"""Responses of the routes: exact JSON with an entity tag, or 304."""

from typing import Any

from fastapi import Request, Response

from api.amounts import to_json
from api.etags import etag_of, matches


def cacheable_response(request: Request, payload: Any) -> Response:
    """Returns the payload as JSON; 304 without a body when `If-None-Match` matches."""
    body = to_json(payload)
    etag = etag_of(body)
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if matches(request.headers.getlist("If-None-Match"), etag):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


def uncached_response(payload: Any, status: int = 200) -> Response:
    """Returns the payload as JSON that must not be cached."""
    return Response(to_json(payload), status, {"Cache-Control": "no-store"}, media_type="application/json")
