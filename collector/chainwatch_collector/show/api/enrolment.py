"""Agents come in here: tokens for operators, enrolment and renewal for hosts, revocation."""

import re
from typing import Annotated, Final

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import PlainTextResponse, Response

from chainwatch_collector.show.access import Admin, peer_of, slowed
from chainwatch_collector.show.api.params import ERRORS, Named
from chainwatch_collector.show.enrolment import CertificateBody, Enrolment, EnrolmentToken, Revoked
from chainwatch_collector.show.errors import ApiError
from chainwatch_collector.show.jsonable import Json
from chainwatch_collector.show.scope import Scope
from chainwatch_collector.show.views import NotAvailableError, UnknownSubjectError

router = APIRouter(tags=["enrolment"], responses=ERRORS)

UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_MAX_TOKEN_SECONDS: Final = 7 * 86400
Pem = Annotated[str, Field(min_length=1, max_length=16_384)]
Word = Annotated[str, Field(min_length=1, max_length=512)]


class TokenBody(BaseModel, extra="forbid"):
    """How long the token may wait to be used."""

    seconds: int = Field(default=3600, ge=60, le=_MAX_TOKEN_SECONDS)


class EnrollBody(BaseModel, extra="forbid"):
    """`host_uuid` is the host's own word for itself: it must be the one that the token was made for."""

    token: Word
    host_uuid: Annotated[str, Field(pattern=f"^{UUID.pattern}$")]
    request: Pem


class RenewBody(BaseModel, extra="forbid"):
    """`signature`: base64, by the current certificate's key, of what `proto/README.md` section 13 says."""

    certificate: Pem
    challenge: Word
    request: Pem
    signature: Annotated[str, Field(min_length=1, max_length=2048)]


class Challenge(BaseModel):
    challenge: str


class PemResponse(PlainTextResponse):
    """Certificates as text."""

    media_type = "application/x-pem-file"


def enrolment_of(request: Request) -> Enrolment:
    """Raises `NotAvailableError` where this collector has no CA."""
    found: Enrolment | None = request.app.state.enrolment
    if found is None:
        raise NotAvailableError("this collector enrolls no agents", "it has no CA; see [trust] in collector.toml")
    return found


@router.post("/agent/{host}/token", response_model=EnrolmentToken, status_code=201)
async def create_token(request: Request, scope: Admin, host: Named, body: TokenBody | None = None) -> Json:
    """A token for one enrolment of this host; made for another one before, it voids that."""
    uuid, pool = host_of(scope, host)
    seconds = (body or TokenBody()).seconds
    made = await enrolment_of(request).token(uuid, scope.principal.name, pool, seconds)
    return Json(made, status_code=201)


@router.post("/agent/{host}/revoke", response_model=Revoked)
async def revoke_agent(request: Request, scope: Admin, host: Named) -> Json:
    """Refuse this host's certificates from now on; its live stream ends within a minute."""
    uuid, pool = host_of(scope, host)
    return Json(await enrolment_of(request).revoke(uuid, scope.principal.name, pool))


def host_of(scope: Scope, text: str) -> tuple[str, str | None]:
    """(uuid, pool uuid) of a host in sight. A uuid that no pool knows yet is for who sees every pool.

    Raises `UnknownSubjectError`, `ApiError`.
    """
    try:
        found = scope.find(text, ("host", "agent"))
        return found.uuid, found.pool_uuid
    except UnknownSubjectError as error:
        if error.candidates or scope.principal.pools is not None:
            raise
        if not UUID.fullmatch(text.lower()):
            hint = "a host that no pool knows yet goes by its uuid: INSTALLATION_UUID in /etc/xensource-inventory"
            raise ApiError(404, "not_found", f"no host goes by {text!r}", hint) from None
        return text.lower(), None


@router.get("/enroll/ca", response_class=PemResponse)
async def get_ca(request: Request) -> Response:
    """The CAs to trust, as PEM. Public; whoever needs to be sure compares fingerprints."""
    return PemResponse(enrolment_of(request).ca_pem())


@router.post("/enroll", response_model=CertificateBody, status_code=201)
async def enroll(request: Request, body: EnrollBody) -> Json:
    """A token and a certificate request for a certificate. The token is the authority; no account is needed."""
    slowed(request)
    made = await enrolment_of(request).enroll(body.token, body.host_uuid, body.request, peer_of(request))
    return Json(made, status_code=201)


@router.get("/renew/challenge", response_model=Challenge)
async def get_challenge(request: Request) -> Challenge:
    """Something to sign, good for two minutes."""
    slowed(request)
    return Challenge(challenge=enrolment_of(request).challenge())


@router.post("/renew", response_model=CertificateBody, status_code=201)
async def renew(request: Request, body: RenewBody) -> Json:
    """A new certificate for who proves to have the key of a present one."""
    slowed(request)
    made = await enrolment_of(request).renew(
        body.certificate, body.challenge, body.request, body.signature, peer_of(request)
    )
    return Json(made, status_code=201)
