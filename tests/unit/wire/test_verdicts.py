import json

import msgspec

from gateway.wire.verdicts import OBLIGATION_TYPES, Lease, Reason, Verdict, protection


def test_protection_orders_keep_over_rates_over_drop() -> None:
    found = [protection("drop", 999), protection("sample", 1), protection("sample", 999)]
    assert found == sorted(set(found))
    assert protection("keep", 0) > found[-1]
    assert found[0] == 0


def test_a_lease_travels_under_the_documented_names() -> None:
    lease = Lease("k", 3, 295, "2026-01-02T03:04:05.000006Z")
    value = json.loads(msgspec.json.encode(Verdict("drop", 0.0, "permitted", lease=lease)))
    assert value["lease"] == {
        "class": "k",
        "activation": 3,
        "ttl_seconds": 295,
        "expires": "2026-01-02T03:04:05.000006Z",
        "max_uses": None,
    }


def test_a_verdict_comes_back_as_it_was_sent() -> None:
    verdict = Verdict(
        "sample",
        0.1,
        "overridden",
        (Reason("PCI", "rules.pci", "hard", "m", "r"),),
        tuple({"type": kind} for kind in sorted(OBLIGATION_TYPES)),
        Lease("k", 3, 295, "2026-01-02T03:04:05.000006Z"),
    )
    assert msgspec.json.decode(msgspec.json.encode(verdict), type=Verdict) == verdict
