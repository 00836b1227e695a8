"""`chainwatch-agent renew`: a new certificate for the key of the present one, and the collector's CAs as they are now.

Run daily by a timer. Two thirds of a certificate's life pass before a new one is asked for. The key stays: so only one
file is replaced, at once, and the running agent never finds a key without its certificate. Enrolling makes a new key.
"""

import base64
import hashlib
import os
import ssl
import time
from typing import Any, BinaryIO, Dict, Tuple

from chainwatch_agent import openssl
from chainwatch_agent.collector_web import Trust, Web, WebError, certificates_of, parse_address
from chainwatch_agent.config import Settings
from chainwatch_agent.host_facts import read_host_facts
from chainwatch_agent.tls_files import TlsPaths, read_text, tls_paths, write_whole

_CONTEXT = "chainwatch-renew-v1"


def renew(settings: Settings, now_too: bool, out: BinaryIO) -> int:
    """Raises `WebError`, `OpensslError`, `TlsFileError`. `now_too`: also where it is not time yet."""
    paths = tls_paths(settings)
    web = _web(paths)
    _update_ca(paths, web.get("/enroll/ca"))
    left, life = seconds_left(openssl.validity(paths.certificate), time.time())
    if left > life / 3.0 and not now_too:
        out.write("nothing to do: the certificate is good for {:.0f} more days\n".format(left / 86400.0).encode())
        return 0
    answer = _ask(paths, web, read_host_facts(settings.root).host_uuid)
    write_whole(paths.certificate + ".new", str(answer["certificate"]), 0o644)
    if not openssl.is_pair(paths.certificate + ".new", paths.key):
        raise WebError("the collector's answer has a certificate of another key")
    os.rename(paths.certificate + ".new", paths.certificate)
    _update_ca(paths, str(answer.get("ca", "")))
    out.write("renewed until {}\n".format(answer["expires_at"]).encode("utf-8", "replace"))
    return 0


def seconds_left(found: openssl.Validity, now: float) -> "Tuple[float, float]":
    """(until the end, from beginning to end). Raises `WebError` where openssl's words are not understood."""
    try:
        start, end = ssl.cert_time_to_seconds(found.start), ssl.cert_time_to_seconds(found.end)
    except ValueError:
        raise WebError("the certificate's dates are not understood: {} {}".format(found.start, found.end)) from None
    return end - now, float(end - start)


def signed_text(challenge: str, request: str) -> bytes:
    """What is signed: the challenge and the request that it is for (proto/README.md section 13)."""
    digest = hashlib.sha256(request.encode("ascii")).hexdigest()
    return "{}\n{}\n{}\n".format(_CONTEXT, challenge, digest).encode("ascii")


def _web(paths: TlsPaths) -> Web:
    words = read_text(paths.web).split()
    if len(words) != 2:
        raise WebError("{}: holds no address: chainwatch-agent enroll writes it".format(paths.web))
    return Web(parse_address(words[0]), Trust(read_text(paths.ca), public=words[1] == "public"))


def _ask(paths: TlsPaths, web: Web, host_uuid: str) -> "Dict[str, Any]":
    challenge = str(web.get_json("/renew/challenge").get("challenge"))
    request = openssl.make_request(paths.key, host_uuid or "host")
    signature = base64.b64encode(openssl.sign(paths.key, signed_text(challenge, request))).decode("ascii")
    certificate = read_text(paths.certificate)
    content = {"certificate": certificate, "challenge": challenge, "request": request, "signature": signature}
    answer = web.post("/renew", content)
    if not certificates_of(str(answer.get("certificate"))):
        raise WebError("the collector's answer has no certificate")
    return answer


def _update_ca(paths: TlsPaths, pem: str) -> None:
    """What a collector that we trust trusts now, where it differs."""
    if certificates_of(pem) and pem != read_text(paths.ca):
        write_whole(paths.ca, pem, 0o644)
