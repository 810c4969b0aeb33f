"""A person's connection to the gateway's change queue."""

import base64
import json
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import httpx

from gateway.client.person_file import PersonFile
from gateway.errors import (
    ChangeRefusedError,
    ConfigError,
    ConflictError,
    GatewayError,
    IdentityError,
    InputError,
    LogUnavailableError,
)
from gateway.identity.tls import client_context

Value = dict[str, Any]

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 60.0
SEARCH_SECONDS = 600.0  # every payload is opened
MAX_ANSWER_BYTES = 64 * 1024 * 1024
_MAX_DETAIL = 4_000

# What a problem's status means to the person who asked.
_REFUSALS: Mapping[int, type[GatewayError]] = {
    400: InputError,
    401: IdentityError,
    403: IdentityError,
    404: ChangeRefusedError,
    409: ConflictError,
    413: InputError,
    422: ChangeRefusedError,
    503: LogUnavailableError,
}


class QueueClient:
    """The routes of people, one method each. Each gives the answer's value and raises a
    GatewayError with the gateway's own sentence; ConfigError where it cannot be reached."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def list_changes(self, *, with_past: bool) -> Value:
        return self._ask("GET", "/v1/changes", params={"all": str(with_past).lower()})

    def show_change(self, change_id: str) -> Value:
        return self._ask("GET", _of("/v1/changes", change_id))

    def stage(self, archive: bytes, justification: str) -> Value:
        text = base64.b64encode(archive).decode()
        return self._post("/v1/changes", {"archive": text, "justification": justification})

    def approve(self, change_id: str, said: Value) -> Value:
        return self._post(_of("/v1/changes", change_id, "approve"), said)

    def reject(self, change_id: str, justification: str) -> Value:
        path = _of("/v1/changes", change_id, "reject")
        return self._post(path, {"justification": justification})

    def protect(self, kind: str, pattern: str, reason: str, control: str) -> Value:
        return self._post("/v1/protections", {kind: pattern, "reason": reason, "control": control})

    def request_exception(
        self,
        rules: Sequence[str],
        pattern: tuple[str, str],
        where: tuple[str, str],
        hours: int,
        reason: str,
    ) -> Value:
        """`pattern` is kind and text, `where` environment and region."""
        kind, text = pattern
        said = {"rules": list(rules), kind: text, "hours": hours, "reason": reason}
        return self._post("/v1/exceptions", {**said, "environment": where[0], "region": where[1]})

    def revoke_exception(self, exception_id: str, justification: str) -> Value:
        path = _of("/v1/exceptions", exception_id, "revoke")
        return self._post(path, {"justification": justification})

    def list_exceptions(self) -> Value:
        return self._ask("GET", "/v1/exceptions")

    def rollback(self, to: str, justification: str) -> Value:
        return self._post("/v1/rollback", {"to": to, "justification": justification})

    def ask_deed(self, kind: str, subject: Value, justification: str) -> Value:
        said = {"kind": kind, "subject": subject, "justification": justification}
        return self._post("/v1/deeds", said)

    def list_due(self) -> Value:
        return self._ask("GET", "/v1/deeds/due")

    def match(self, attributes: Mapping[str, str], request: str) -> Value:
        said = {"attributes": dict(attributes), "request": request}
        return self._ask("POST", "/v1/deeds/match", json=said, timeout=SEARCH_SECONDS)

    def place_hold(self, where: Value, justification: str) -> Value:
        return self._post("/v1/holds", {**where, "justification": justification})

    def list_holds(self) -> Value:
        return self._ask("GET", "/v1/holds")

    def _post(self, path: str, body: Mapping[str, object]) -> Value:
        return self._ask("POST", path, json=body)

    def _ask(self, method: str, path: str, **more: Any) -> Value:
        try:
            with self._http.stream(method, path, **more) as answer:
                return _value_of(answer.status_code, _read(answer))
        except httpx.TimeoutException:
            raise ConfigError(
                f"{self._http.base_url} did not answer in time; look with `gateway change list` "
                "before you repeat it"
            ) from None
        except (httpx.HTTPError, ssl.SSLError) as error:
            raise ConfigError(f"{self._http.base_url} cannot be asked: {_cause(error)}") from None


@contextmanager
def open_queue(person: PersonFile) -> Iterator[QueueClient]:
    """TLS 1.3 with the person's certificate, nothing taken from the environment; raises
    ConfigError where a file cannot be used."""
    context = client_context(person.certificate, person.key, person.ca)
    with httpx.Client(
        base_url=person.gateway,
        verify=context,
        trust_env=False,
        follow_redirects=False,
        timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
        headers={"accept-encoding": "identity"},
    ) as http:
        yield QueueClient(http)


def _of(path: str, change_id: str, act: str = "") -> str:
    segments = [path, quote(change_id, safe="")] + ([act] if act else [])
    return "/".join(segments)


def _read(answer: httpx.Response) -> bytes:
    chunks, total = [], 0
    for chunk in answer.iter_bytes():
        total += len(chunk)
        if total > MAX_ANSWER_BYTES:
            raise ConfigError("the answer is larger than any gateway's; check the address")
        chunks.append(chunk)
    return b"".join(chunks)


def _value_of(status: int, body: bytes) -> Value:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ConfigError(f"the answer ({status}) is no gateway's; check the address")
    if status < 400:
        return value
    detail = str(value.get("detail") or value.get("title") or "no reason given")[:_MAX_DETAIL]
    raise _REFUSALS.get(status, ConfigError)(detail)


def _cause(error: Exception) -> str:
    """A broken handshake as a sentence: TLS libraries say much and mean little to most."""
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return "its certificate is not one of your ca's, or not for this host"
    if isinstance(error, httpx.ConnectError):
        return "there is no connection; is it running, and is the address right?"
    return f"the connection broke ({type(error).__name__}); is your certificate still good?"
