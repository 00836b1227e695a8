"""Stylesheet, script and icon: the same for everybody, so they need no token."""

from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from chainwatch_collector.show.errors import ApiError
from chainwatch_collector.show.web.render import STATIC

router = APIRouter(include_in_schema=False)

TYPES: Final = {
    "app.css": "text/css; charset=utf-8",
    "live.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


@router.get("/static/{name}")
async def static_file(name: str) -> Response:
    if name not in TYPES:
        raise ApiError(404, "not_found", f"there is no {name!r}")
    content = (STATIC / name).read_bytes()
    headers = {"Cache-Control": "max-age=3600", "X-Content-Type-Options": "nosniff"}
    return Response(content, media_type=TYPES[name], headers=headers)
