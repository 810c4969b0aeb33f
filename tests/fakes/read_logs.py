"""A small log in memory with one of each kind of entry that is read for people."""

from collections.abc import Iterator, Sequence

from gateway import canonical
from gateway.clock import parse_time
from gateway.transparency.entry import GENESIS, encode_entry, leaf_hash
from gateway.transparency.source import Opener, Row, StoredRow

ORIGIN = "example.org/log"
GATEWAY = "spiffe://example.org/gateway/one"
EDGE_7 = "spiffe://example.org/collector/production/eu-west-1/edge-7"
ALICE = "spiffe://example.org/author/alice"
CLASS_A, CLASS_B = "a" * 48, "b" * 48
START_US = parse_time("2026-03-01T10:00:00.000000Z")
MINUTE_US = 60_000_000

_PCI: canonical.Value = {
    "control": "PCI-DSS-4.0.1/10.2.1",
    "rule": "rules.families.never_filter",
    "level": "hard",
    "message": "card data",
    "remediation": "keep it",
}
_ENTRIES: Sequence[tuple[str, str, dict[str, canonical.Value]]] = (
    ("log.opened", GATEWAY, {"checkpoint_key": "k"}),
    ("gateway.started", GATEWAY, {"instance": "i1", "version": "0.1.0"}),
    (
        "evaluations",
        GATEWAY,
        {
            "items": [
                {
                    "class": CLASS_A,
                    "verdict": {"action": "keep", "effect": "overridden", "reasons": [_PCI]},
                },
                {"class": CLASS_B, "verdict": {"action": "drop", "effect": "permitted"}},
            ]
        },
    ),
    (
        "decisions",
        EDGE_7,
        {"activation": 1, "fail_safe": {"timeout": 2}, "verdicts": [[2, 0, 3], [2, 1, 40]]},
    ),
    ("denial", EDGE_7, {"reason": "role", "route": "GET /metrics", "status": 403}),
    (
        "change.staged",
        ALICE,
        {
            "change": {
                "approval_id": "",
                "change_type": "bundle.stage",
                "justification": "=2+2 refunds carry card data",
                "new_value": "9-0a1b",
                "previous_value": "8-0a1b",
                "user": ALICE,
            },
            "kind": "bundle",
            "prior": None,
        },
    ),
    ("decisions", EDGE_7, {"activation": 1, "fail_safe": {}, "verdicts": [[1, 0, 1]]}),
)


class ListSource:
    """A LogSource over entries in memory, a minute apart."""

    def __init__(self, entries: Sequence[bytes] | None = None) -> None:
        self.data = list(_encode() if entries is None else entries)

    @property
    def origin(self) -> str:
        return ORIGIN

    def estimate_entries(self) -> int:
        return len(self.data)

    def entries(self, first: int = 0) -> Iterator[Sequence[Row]]:
        for seq, data in enumerate(self.data[first:], start=first):
            yield [(seq, data, leaf_hash(data))]

    def checkpoints(self, from_size: int = 0) -> Iterator[StoredRow]:
        return iter(())

    def leaf_hashes(self, first: int, stop: int) -> Sequence[bytes]:
        return [leaf_hash(data) for data in self.data[first:stop]]

    def tiles(self) -> Iterator[tuple[object, object, object]]:
        return iter(())

    def tail_problem(self) -> str | None:
        return None

    def opener(self) -> "Opener | None":
        return None

    def close(self) -> None:
        return None


def _encode() -> Iterator[bytes]:
    prev = GENESIS
    for seq, (kind, actor, body) in enumerate(_ENTRIES):
        time_us = START_US + seq * MINUTE_US
        data = encode_entry(ORIGIN, seq, prev, time_us, kind, actor, canonical.encode(body))
        prev = leaf_hash(data)
        yield data
