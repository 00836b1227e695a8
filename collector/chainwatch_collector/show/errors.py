"""One error envelope for every route: what, where, and what to try next. No traceback leaves the process."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from chainwatch_collector.show.guard import RefusedError
from chainwatch_collector.show.jsonable import Json
from chainwatch_collector.show.views import NotAvailableError, Subject, UnknownSubjectError


@dataclass(frozen=True, slots=True)
class ErrorDetail:
    """`code` is stable, `message` and `hint` are for people. `field` names the parameter at fault."""

    status: int
    code: str
    message: str
    hint: str | None = None
    field: str | None = None
    candidates: tuple[Subject, ...] = ()


@dataclass(frozen=True, slots=True)
class ErrorBody:
    error: ErrorDetail


class ApiError(Exception):
    """Ends a request with the envelope."""

    def __init__(self, status: int, code: str, message: str, hint: str | None = None, field: str | None = None) -> None:
        super().__init__(message)
        self.detail = ErrorDetail(status, code, message, hint, field)


def detail_of(error: Exception) -> ErrorDetail:
    """The envelope of any error that a surface may raise; an unforeseen one says nothing of its inside."""
    if isinstance(error, ApiError):
        return error.detail
    if isinstance(error, RefusedError):
        code = "unauthenticated" if error.status == 401 else "forbidden"
        return ErrorDetail(error.status, code, error.message, error.hint)
    if isinstance(error, UnknownSubjectError):
        return _unknown_subject(error)
    if isinstance(error, NotAvailableError):
        return ErrorDetail(503, "not_available", error.message, error.hint)
    if isinstance(error, RequestValidationError):
        return _invalid(error)
    if isinstance(error, HTTPException):
        return ErrorDetail(error.status_code, _http_code(error.status_code), str(error.detail))
    return ErrorDetail(500, "internal", "the collector failed on this request", "its log has the reason")


def _unknown_subject(error: UnknownSubjectError) -> ErrorDetail:
    if len(error.candidates) > 1:
        return ErrorDetail(
            409,
            "ambiguous",
            f"{error.text!r} fits {len(error.candidates)} things",
            "give the whole uuid",
            candidates=error.candidates[:10],
        )
    hint = "names are as XenAPI has them; a uuid may be cut to its first 8 characters"
    return ErrorDetail(404, "not_found", f"nothing goes by {error.text!r}", hint, candidates=error.candidates[:10])


def _invalid(error: RequestValidationError) -> ErrorDetail:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
    return ErrorDetail(422, "invalid", f"{where}: {first['msg']}", "see /api/v1/openapi.json", where)


def _http_code(status: int) -> str:
    return {404: "not_found", 405: "method_not_allowed", 413: "too_large"}.get(status, "http_error")


def install(app: FastAPI, note: Callable[[Request, Exception], Awaitable[None]]) -> None:
    """Answer every error of the API with the envelope; pages have their own (web/errors). `note` hears of it first."""

    async def answer(request: Request, error: Exception) -> Response:
        await note(request, error)
        page = getattr(request.app.state, "error_page", None)
        detail = detail_of(error)
        if page is not None and not request.url.path.startswith("/api/") and _wants_html(request):
            response: Response = request.app.state.to_login(request, detail) or page(request, detail)
        else:
            response = Json(ErrorBody(detail), status_code=detail.status)
        if isinstance(error, HTTPException) and error.headers:
            response.headers.update(error.headers)
        if detail.status == 401:
            response.headers["WWW-Authenticate"] = "Bearer"
        return response

    kinds: tuple[type[Exception], ...] = (
        ApiError,
        RefusedError,
        UnknownSubjectError,
        NotAvailableError,
        RequestValidationError,
        HTTPException,
        Exception,
    )
    for kind in kinds:
        app.add_exception_handler(kind, answer)


def _wants_html(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")
