"""The template environment: filters are the words that the command line uses too."""

from datetime import datetime
from importlib.resources import files
from typing import Any, Final

from fastapi import Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response

from chainwatch_collector import words
from chainwatch_collector.show.errors import ErrorDetail
from chainwatch_collector.show.scope import Scope

STATIC: Final = files("chainwatch_collector.show.web") / "static"
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
        " form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Pages:
    """Renders templates. One per application; holds no state but the compiled templates."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=PackageLoader("chainwatch_collector.show.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(
            size=words.size,
            rate=words.rate,
            percent=words.percent,
            duration=words.duration,
            clock=words.clock,
            iso=words.iso,
            short=words.short,
            between=words.between,
            code_of=words.code_of,
            state_sentence=lambda state: words.STATE_WORDS.get(state, state),
            word=lambda status: words.SEVERITY_WORDS.get(status, status.upper()),
            symbol=lambda status: words.SYMBOLS.get(status, "·"),
        )
        self._environment.globals["plural"] = words.plural

    def page(self, name: str, scope: Scope, api: str, command: str, **context: Any) -> Response:
        """`api` is the same as JSON, `command` the same on the command line; both stand at the foot of the page."""
        now = scope.model.now()
        html = self._environment.get_template(name).render(
            now=now,
            ago=_ago(now),
            principal=scope.principal,
            revision=scope.model.revision(),
            api=api,
            command=command,
            **context,
        )
        return HTMLResponse(html, headers=HEADERS)

    def login(self, then: str, problem: str | None) -> Response:
        """The form; `then` is a path of ours, `problem` why the last try did not let in."""
        html = self._environment.get_template("login.html").render(then=then, problem=problem)
        return HTMLResponse(html, status_code=401 if problem else 200, headers=HEADERS)

    def error(self, request: Request, detail: ErrorDetail) -> Response:
        """An error as a page; it knows nothing of the asker, so it shows nothing of the estate."""
        html = self._environment.get_template("error.html").render(detail=detail, path=request.url.path)
        return HTMLResponse(html, status_code=detail.status, headers=HEADERS)


def _ago(now: datetime) -> Any:
    def ago(at: datetime | None) -> Markup:
        """A human age whose exact time is a hover and a machine away."""
        if at is None:
            return Markup("never")
        return Markup('<time datetime="{}" title="{}">{}</time>').format(
            words.iso(at), words.clock(at), words.age(at, now)
        )

    return ago
