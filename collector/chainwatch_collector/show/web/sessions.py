"""Signing in and out in a browser."""

from typing import Annotated
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from chainwatch_collector.show.access import peer_of, principal_of, slow_login, slowed
from chainwatch_collector.show.api.accounts import accounts_of
from chainwatch_collector.show.errors import ErrorDetail
from chainwatch_collector.show.guard import SESSION_COOKIE, RefusedError
from chainwatch_collector.show.web.render import Pages

router = APIRouter(include_in_schema=False)

Next = Annotated[str, Query(alias="next", max_length=2000)]


@router.get("/login")
async def login_page(request: Request, then: Next = "/") -> Response:
    """The form; the same for everybody."""
    pages: Pages = request.app.state.pages
    return pages.login(local_path(then), None)


@router.post("/login")
async def login_form(
    request: Request,
    name: Annotated[str, Form(min_length=1, max_length=64)],
    password: Annotated[str, Form(min_length=1, max_length=256)],
    then: Annotated[str, Form(alias="next", max_length=2000)] = "/",
) -> Response:
    """A session's cookie, and back to where one wanted to go."""
    _same_origin(request)
    slow_login(request, name)
    try:
        made = await accounts_of(request).session(name, password, peer_of(request))
    except RefusedError as error:
        pages: Pages = request.app.state.pages
        return pages.login(local_path(then), error.message)
    response = RedirectResponse(local_path(then), status_code=303)
    # Lax: a link in an alert's mail finds its reader signed in; what changes anything carries the CSRF token besides.
    response.set_cookie(
        SESSION_COOKIE,
        made.cookie,
        expires=made.expires_at,
        path="/",
        secure=_secure(request),
        httponly=True,
        samesite="lax",
    )
    return response


@router.post("/logout")
async def logout_form(request: Request) -> Response:
    """Ends the session of the cookie, whose CSRF token the form carries; without one there is nothing to end."""
    slowed(request)
    await principal_of(request)
    cookie = request.cookies.get(SESSION_COOKIE)
    if cookie is not None:
        await accounts_of(request).end_session(cookie)
    response = RedirectResponse("/login", status_code=303)
    response.delete_cookie(SESSION_COOKIE, path="/", secure=_secure(request), httponly=True, samesite="lax")
    return response


def to_login(request: Request, detail: ErrorDetail) -> Response | None:
    """Where a browser that asks for a page as nobody is sent; None where that does not help."""
    if detail.status != 401 or request.method != "GET" or request.app.state.accounts is None:
        return None
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"/login?next={quote(local_path(here), safe='')}", status_code=303)


def local_path(text: str) -> str:
    """A path of ours, else /: nobody is sent to another site by a link to our form."""
    parts = urlsplit(text)
    fine = text.startswith("/") and not text.startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    return text if fine and text.isprintable() else "/"


def _same_origin(request: Request) -> None:
    """A form of another site would sign its visitor in as somebody else. Raises `RefusedError` (403)."""
    origin = request.headers.get("origin")
    site = request.headers.get("sec-fetch-site", "same-origin")
    if site not in ("same-origin", "none") or (origin and urlsplit(origin).netloc != request.headers.get("host")):
        raise RefusedError(403, "this form is not from our pages", "open /login here and try again")


def _secure(request: Request) -> bool:
    external: str = request.app.state.settings.external_url
    return request.url.scheme == "https" or external.startswith("https://")
