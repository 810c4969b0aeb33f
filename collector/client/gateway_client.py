"""The gateway's client. Whatever is not a full, well-formed answer is GatewayUnavailable (P1)."""

import base64
import ssl
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import httpx
import msgspec

from collector.client.messages import (
    MAX_BATCH,
    PolicyAnswer,
    ProofAnswer,
    Proposal,
    encode_proposals,
)
from collector.errors import CollectorError, GatewayUnavailable
from gateway.clock import Clock
from gateway.wire.fork_reports import ForkReport, ForkReportAnswer
from gateway.wire.handovers import HandoversAnswer
from gateway.wire.ledger import LedgerAnswer, LedgerReport
from gateway.wire.succession import CHECKPOINT_HEADER, SuccessionAnswer
from gateway.wire.verdicts import DecisionAnswer

MAX_ANSWER_BYTES = 4 * 1024 * 1024
TOTAL_SECONDS = 10.0

_REFUSED = frozenset({401, 403})
_UNPROVABLE = frozenset({400, 404})
_UNPROVEN = frozenset({400, 409})
_SUCCESSION = "/v1/succession"
_FORK_REPORT = "/v1/witness-report"
_Answer = TypeVar("_Answer")


class GatewayRefused(GatewayUnavailable):
    """The gateway does not accept who we are (handshake, 401, 403): every lease is void."""


class ProofRefused(GatewayUnavailable):
    """The gateway says that it has no such proof: evidence against it, not an outage."""


class ReportUnproven(GatewayUnavailable):
    """The gateway has our report of a fork and says that it proves nothing (400, 409)."""


class NothingToTell(GatewayUnavailable):
    """The gateway has nothing of that kind (404)."""


class GatewayClient:
    """Asks one gateway, over a connection that is opened late and anew after each failure.

    Opening anew reads the PEM files again, so a rotated certificate needs no restart.
    """

    def __init__(self, url: str, open_http: Callable[[], httpx.Client], clock: Clock) -> None:
        self._url = url
        self._open_http = open_http
        self._clock = clock
        self._http: httpx.Client | None = None

    def propose(self, batch: Sequence[Proposal]) -> DecisionAnswer:
        """The verdicts for at most MAX_BATCH proposals, one ref each in the order sent."""
        if not 0 < len(batch) <= MAX_BATCH:
            raise ValueError(f"a batch has 1 to {MAX_BATCH} proposals")
        answer = self._ask_json(
            "POST", "/v1/decisions", DecisionAnswer, body=encode_proposals(batch)
        )
        if [ref for ref, _ in answer.refs] != [proposal.ref for proposal in batch]:
            raise self._unusable("its refs are not those that were asked")
        if any(not 0 <= position < len(answer.verdicts) for _, position in answer.refs):
            raise self._unusable("a ref points at no verdict")
        return answer

    def send_ledger(self, report: LedgerReport) -> LedgerAnswer:
        """What the gateway says of one ledger report."""
        body = msgspec.json.encode(report)
        return self._ask_json("POST", "/v1/ledger", LedgerAnswer, body=body)

    def report_fork(self, report: ForkReport) -> ForkReportAnswer:
        """The entry that the gateway made of a report; raises ReportUnproven where it made none."""
        body = msgspec.json.encode(report)
        return self._ask_json("POST", _FORK_REPORT, ForkReportAnswer, body=body)

    def fetch_policy(self, kept: str | None = None) -> PolicyAnswer:
        """The active policy and its class declaration. `kept` is the checkpoint that we hold: a
        gateway that was put back from an older copy learns so before it signs."""
        shown = (
            {} if kept is None else {CHECKPOINT_HEADER: base64.b64encode(kept.encode()).decode()}
        )
        answer = self._ask_json("GET", "/v1/policy", PolicyAnswer, shown=shown)
        if not answer.declaration.score_edges:
            raise self._unusable("its class declaration has no score edges")
        return answer

    def fetch_checkpoint(self) -> str:
        """The newest signed note."""
        try:
            return self._ask("GET", "/v1/checkpoint").decode()
        except UnicodeDecodeError:
            raise self._unusable("its checkpoint is not UTF-8") from None

    def fetch_consistency(self, from_size: int, to_size: int) -> list[bytes]:
        """The proof that the tree of `to_size` extends the one of `from_size` (RFC 6962)."""
        parameters = {"from": from_size, "to": to_size}
        return self._fetch_proof("/v1/checkpoint/consistency", parameters)

    def fetch_inclusion(self, index: int, size: int) -> list[bytes]:
        """The proof that entry `index` is in the tree of `size` (RFC 6962)."""
        return self._fetch_proof("/v1/checkpoint/inclusion", {"index": index, "size": size})

    def fetch_handovers(self) -> HandoversAnswer:
        """How the log's key went from hand to hand."""
        return self._ask_json("GET", "/v1/checkpoint/handovers", HandoversAnswer)

    def fetch_succession(self) -> SuccessionAnswer | None:
        """How the served log came to be; None when it succeeds none."""
        try:
            return self._ask_json("GET", _SUCCESSION, SuccessionAnswer)
        except NothingToTell:
            return None

    def close(self) -> None:
        """Close the connection; the next question opens it anew."""
        if self._http is not None:
            self._http.close()
            self._http = None

    def _fetch_proof(self, path: str, parameters: dict[str, int]) -> list[bytes]:
        answer = self._ask_json("GET", path, ProofAnswer, parameters=parameters)
        try:
            return [bytes.fromhex(text) for text in answer.hashes]
        except ValueError:
            raise self._unusable("its proof is not hex") from None

    def _ask_json(self, method: str, path: str, kind: type[_Answer], **sent: Any) -> _Answer:
        data = self._ask(method, path, **sent)
        try:
            return msgspec.json.decode(data, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            # The answer's text may hold what it likes; only the decoder's own words are repeated.
            raise self._unusable(f"{path} is not as agreed ({str(error)[:120]})") from None

    def _ask(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        parameters: dict[str, int] | None = None,
        shown: dict[str, str] | None = None,
    ) -> bytes:
        try:
            if self._http is None:
                self._http = self._open_http()
            headers = {"content-type": "application/json"} if body is not None else {}
            headers.update(shown or {})
            with self._http.stream(
                method, path, content=body, params=parameters, headers=headers
            ) as response:
                data = self._read(response)
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, OSError) as error:
            self.close()
            raise self._failed(error) from None
        except GatewayUnavailable:
            self.close()
            raise
        except CollectorError as error:
            raise GatewayUnavailable(f"The gateway cannot be asked: {error}") from None
        if response.status_code != httpx.codes.OK:
            raise self._declined(path, response.status_code)
        return data

    def _read(self, response: httpx.Response) -> bytes:
        # httpx's time limits hold per read; a gateway that drips bytes needs one for the whole.
        deadline_ns = self._clock.boottime_ns() + int(TOTAL_SECONDS * 1_000_000_000)
        if response.headers.get("content-encoding", "identity") != "identity":
            raise self._unusable("its answer is compressed, which was not asked for")
        parts: list[bytes] = []
        size_bytes = 0
        for part in response.iter_bytes():
            size_bytes += len(part)
            if size_bytes > MAX_ANSWER_BYTES:
                raise self._unusable(f"its answer is larger than {MAX_ANSWER_BYTES} bytes")
            if self._clock.boottime_ns() > deadline_ns:
                raise self._unusable(f"its answer took longer than {TOTAL_SECONDS:.0f} s")
            parts.append(part)
        return b"".join(parts)

    def _failed(self, error: Exception) -> GatewayUnavailable:
        if isinstance(error, httpx.TimeoutException):
            return GatewayUnavailable(f"The gateway at {self._url} did not answer in time.")
        refusal = _find_tls_error(error)
        if refusal is not None:
            reason = (
                (getattr(refusal, "reason", None) or "handshake failed").lower().replace("_", " ")
            )
            return GatewayRefused(
                f"The gateway at {self._url} and this collector do not accept each other "
                f"({reason}); check gateway.ca, gateway.certificate and their expiry."
            )
        return GatewayUnavailable(
            f"The gateway at {self._url} cannot be reached ({type(error).__name__})."
        )

    def _declined(self, path: str, status: int) -> GatewayUnavailable:
        sentence = f"The gateway at {self._url} answered {path} with status {status}."
        if status in _REFUSED:
            return GatewayRefused(sentence)
        if status in _UNPROVABLE and path.startswith("/v1/checkpoint/"):
            return ProofRefused(sentence)
        if status in _UNPROVEN and path == _FORK_REPORT:
            return ReportUnproven(sentence)
        if status == httpx.codes.NOT_FOUND and path == _SUCCESSION:
            return NothingToTell(sentence)
        return GatewayUnavailable(sentence)

    def _unusable(self, reason: str) -> GatewayUnavailable:
        return GatewayUnavailable(f"The answer of the gateway at {self._url} is unusable: {reason}")


def _find_tls_error(error: BaseException) -> ssl.SSLError | None:
    """The TLS error below an httpx error, if there is one."""
    cause: BaseException | None = error
    while cause is not None:
        # A cut connection and a slow one are outages, not refusals.
        if isinstance(cause, ssl.SSLError) and not isinstance(
            cause, ssl.SSLEOFError | ssl.SSLZeroReturnError
        ):
            return cause
        cause = cause.__cause__ or cause.__context__
    return None
