"""The REST client: one request, one body, and every way it can fail as one line with a hint."""

import json
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, cast

import httpx2 as httpx

from chainwatch_collector.cli.config import CliConfig, read_config
from chainwatch_collector.cli.errors import CliError

API: Final = "/api/v1"
TIMEOUT_SECONDS: Final = 30.0

Params = Mapping[str, Any]
Body = dict[str, Any]


class Client:
    """Speaks to one collector. Every method raises `CliError`."""

    def __init__(self, config: CliConfig) -> None:
        self.config = config
        headers = {"Accept": "application/json", "User-Agent": "chainwatch-cli"}
        if config.token:
            headers["Authorization"] = f"Bearer {config.token}"
        self._http = httpx.Client(
            base_url=config.url, headers=headers, timeout=TIMEOUT_SECONDS, verify=_trust(config), trust_env=False
        )

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, params: Params | None = None) -> Body:
        return self._body("GET", path, params=_clean(params))

    def post(self, path: str, content: Body | None = None, timeout_seconds: float = TIMEOUT_SECONDS) -> Body:
        return self._body("POST", path, json=content, timeout=timeout_seconds)

    def patch(self, path: str, content: Body) -> Body:
        return self._body("PATCH", path, json=content)

    def delete(self, path: str) -> Body:
        return self._body("DELETE", path)

    def text(self, path: str) -> str:
        return self._send("GET", path).text

    def changes(self) -> Iterator[str]:
        """The data of each server-sent change, and "" for a keep-alive."""
        try:
            with self._http.stream("GET", f"{API}/stream", timeout=60.0) as response:
                if response.status_code >= 400:
                    response.read()
                    raise _error_of(response, self.config)
                for line in response.iter_lines():
                    if line.startswith("data:"):
                        yield line[5:].strip()
                    elif line.startswith(":"):
                        yield ""
        except httpx.HTTPError as error:
            raise _unreachable(error, self.config) from error

    def _body(self, method: str, path: str, **more: Any) -> Body:
        response = self._send(method, path, **more)
        try:
            return cast(Body, response.json())
        except ValueError as error:
            raise _stranger(self.config) from error

    def _send(self, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            response = self._http.request(method, API + path, **more)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _unreachable(error, self.config) from error
        if response.status_code >= 400:
            raise _error_of(response, self.config)
        return response


def connect() -> Client:
    """A client as environment and `cli.toml` say."""
    return Client(read_config())


def _clean(params: Params | None) -> dict[str, Any]:
    return {key: value for key, value in (params or {}).items() if value is not None}


def _trust(config: CliConfig) -> ssl.SSLContext | bool:
    if config.ca_file is None or config.url.startswith("http://"):
        return True
    path = Path(config.ca_file).expanduser()
    try:
        return ssl.create_default_context(cafile=str(path))
    except (OSError, ssl.SSLError) as error:
        raise CliError(f"ca_file {path}: {error}", "give the collector's CA certificate in PEM") from error


def _unreachable(error: Exception, config: CliConfig) -> CliError:
    where = f"the collector at {config.url} (from {config.origin})"
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return CliError(f"{where} shows a certificate that is not trusted", "chainwatch login --ca-file CA.pem URL")
    if isinstance(error, httpx.TimeoutException):
        return CliError(f"{where} does not answer in time", "is it overloaded? its log and /healthz tell")
    first = (text.strip().splitlines() or ["no reason given"])[0]
    reason = "connection refused" if "refused" in text.lower() else first
    hint = "is it running there? set CHAINWATCH_URL or: chainwatch login URL; offline: chainwatch diagnose SMlog"
    return CliError(f"cannot reach {where}: {reason}", hint)


def _stranger(config: CliConfig) -> CliError:
    return CliError(f"{config.url} does not answer like a chainwatch collector", "check CHAINWATCH_URL")


def _error_of(response: httpx.Response, config: CliConfig) -> CliError:
    try:
        detail = json.loads(response.content)["error"]
        message, hint = str(detail["message"]), detail.get("hint")
    except (ValueError, KeyError, TypeError):
        return _stranger(config)
    near = [f"{one['kind']:<5} {one['uuid']}  {one['name']}" for one in detail.get("candidates") or ()]
    return CliError(message, hint, candidates=near)
