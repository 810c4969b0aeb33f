"""What the real OPA answers for the processes of the user scenarios."""

from typing import Any

import pytest

from tests.unit.policies.bundle import ask

pytestmark = pytest.mark.opa


def question(
    proposals: list[dict[str, Any]], region: str = "us-east-1", windows: tuple[str, ...] = ()
) -> dict[str, Any]:
    return {
        "subject": {"environment": "production", "region": region, "tier": "unlisted"},
        "context": {"time": {"windows": list(windows)}},
        "proposals": proposals,
    }


def drop(ref: str, process: dict[str, Any], score: int = 250) -> dict[str, Any]:
    return {
        "ref": ref,
        "process": process,
        "action": "drop",
        "sample_permille": 0,
        "score": score,
        "profile": "aggressive",
    }


def run_by(interpreter: str, identity: str, source: str) -> dict[str, Any]:
    return {
        "process.executable.name": interpreter,
        "process.executable.path": f"/usr/bin/{interpreter}",
        "compliance.process.identity": identity,
        "compliance.process.identity_source": source,
    }


def named(name: str) -> dict[str, Any]:
    return run_by(name, name, "executable")


SCENARIOS = {
    "payment-gateway-eu-1": "PCI-DSS-4.0.1/10.2.1",
    "customer-data-processor": "GDPR/Art.30",
    "gdpr-audit-service": "GDPR/Art.5(2)",
    "data-retention-manager": "GDPR/Art.5(1)(e)",
    "patient-data-service": "HIPAA/164.312(b)",
    "medical-records-api": "HIPAA/164.312(b)",
    "prescription-processor": "HIPAA/164.312(b)",
    "plc-controller": "IEC-62443-3-3/SR-6.2",
    "safety-monitor": "IEC-61511-1/16.2",
    "edge-ml-processor": "IEC-62443-3-3/SR-6.2",
    "general-ledger-api": "SOX/404",
}
DROPPABLE = [
    "log-shipper",
    "backup-service",
    "update-agent",
    "game-server-17",
    "matchmaking-eu",
    "xpayment-gateway-eu",
    "etcd-check",
]


def test_protected_processes_are_kept_and_the_rest_may_be_dropped() -> None:
    refs = [*SCENARIOS, *DROPPABLE]
    verdicts = {v["ref"]: v for v in ask(question([drop(ref, named(ref)) for ref in refs]))}
    assert list(verdicts) == refs
    for name, control in SCENARIOS.items():
        assert verdicts[name]["decision"] == "protect", name
        assert (verdicts[name]["action"], verdicts[name]["sample_permille"]) == ("keep", 1000)
        assert verdicts[name]["reasons"][0]["control"] == control
        assert verdicts[name]["reasons"][0]["level"] == "hard"
    for name in DROPPABLE:
        assert verdicts[name]["decision"] == "permit", name
        assert (verdicts[name]["action"], verdicts[name]["sample_permille"]) == ("drop", 0)


def test_names_protect_wherever_they_stand() -> None:
    attributes = [
        ("service.name", "Patient-Data-Service"),
        ("k8s.container.name", "patient-data-service"),
        ("k8s.deployment.name", "patient-data-service"),
        ("k8s.pod.label.app", "patient-data-service"),
        ("process.executable.path", "/opt/clinic/patient-data-service"),
        ("compliance.process.identity", "patient-data-service"),
    ]
    proposals = [
        drop(name, {**named("worker"), "service.name": "worker", name: value})
        for name, value in attributes
    ]
    assert {verdict["action"] for verdict in ask(question(proposals))} == {"keep"}


def test_an_interpreter_is_judged_by_what_it_runs() -> None:
    answers = ask(
        question(
            [
                drop("patient", run_by("java", "patient-data-service", "argv")),
                drop("shipper", run_by("java", "log-shipper", "argv")),
                drop("unknown", run_by("java", "java", "interpreter")),
                drop("bare", {"process.executable.name": "python3"}),
                drop("cut", run_by("process-exporte", "process-exporte", "truncated")),
            ]
        )
    )
    actions = {verdict["ref"]: verdict["action"] for verdict in answers}
    assert actions == {
        "patient": "keep",
        "shipper": "drop",
        "unknown": "keep",
        "bare": "keep",
        "cut": "keep",
    }


def test_health_records_are_kept_seven_years_encrypted_and_in_full() -> None:
    (verdict,) = ask(question([drop("0", named("patient-data-service"))]))
    assert verdict["obligations"] == [
        {"type": "encrypt"},
        {"type": "full_audit"},
        {"type": "no_sampling"},
        {"type": "retain_days", "at_least": 2557},
    ]


def test_what_may_be_dropped_in_the_eu_still_stays_there() -> None:
    (verdict,) = ask(question([drop("0", named("log-shipper"))], region="eu-west-1"))
    assert verdict["decision"] == "permit"
    by_type = {obligation["type"]: obligation for obligation in verdict["obligations"]}
    assert "eu-west-1" in by_type["allowed_regions"]["regions"]
    assert "us-east-1" not in by_type["allowed_regions"]["regions"]
    assert by_type["retain_days"] == {"type": "retain_days", "at_most": 30}


def test_evidence_outlasts_the_privacy_limit_and_the_verdict_says_so() -> None:
    (verdict,) = ask(question([drop("0", named("payment-gateway-eu"))], region="eu-west-1"))
    by_type = {obligation["type"]: obligation for obligation in verdict["obligations"]}
    assert by_type["retain_days"] == {"type": "retain_days", "at_least": 366, "at_hand": 92}
    conflict = verdict["reasons"][-1]
    assert conflict["control"] == "BASELINE/retention-conflict"
    for cited in (
        "PCI-DSS-4.0.1/10.5.1 (pci-twelve-months)",
        "GDPR/Art.5(1)(e) (gdpr-thirty-days)",
    ):
        assert cited in conflict["message"]


def test_trading_hours_raise_a_sample() -> None:
    proposal = {**drop("0", named("trading-engine")), "action": "sample", "sample_permille": 100}
    (open_market,) = ask(question([proposal], windows=("trading-hours",)))
    assert (open_market["action"], open_market["sample_permille"]) == ("sample", 500)
    (closed_market,) = ask(question([proposal]))
    assert (closed_market["decision"], closed_market["sample_permille"]) == ("permit", 100)


def test_a_critical_score_is_kept_whatever_the_name() -> None:
    low, high = ask(question([drop("0", named("x"), 750), drop("1", named("x"), 900)]))
    assert (low["action"], high["action"]) == ("drop", "keep")


def test_one_odd_proposal_does_not_spoil_the_others() -> None:
    odd: list[Any] = [
        {"ref": "odd", "process": 7, "action": "drop", "sample_permille": 0, "score": 0},
        {"ref": "text", "process": {"service.name": 7}, "action": "drop"},
        "nonsense",
        None,
        {},
    ]
    answers = ask(question([*odd, drop("fine", named("log-shipper"))]))
    actions = {verdict["ref"]: verdict["action"] for verdict in answers}
    assert actions == {"odd": "keep", "text": "keep", "fine": "drop"}


REGIONAL = {
    ("us-east-1", "fedwire-link"): "FFIEC-IS/II.C.22",
    ("us-east-1", "wire-transfer-eu"): "NYDFS-500/500.06(a)(1)",
    ("ap-southeast-1", "swift-gateway"): "MAS-TRM/11.1",
    ("westeurope", "sepa-engine"): "EU-DORA/Art.9",
    ("uksouth", "mifid-store"): "FCA-SYSC/9.1.1R",
    ("us-west-1", "clinical-notes"): "CA-CMIA/56.101(a)",
    ("dc-boston", "clinical-notes"): "MA/201-CMR-17.04",
}


@pytest.mark.parametrize(("place", "control"), REGIONAL.items())
def test_regional_laws_protect_their_senders_only(place: tuple[str, str], control: str) -> None:
    region, name = place
    (verdict,) = ask(question([drop("0", named(name))], region=region))
    assert verdict["action"] == "keep"
    assert control in [reason["control"] for reason in verdict["reasons"]]
    (elsewhere,) = ask(question([drop("0", named(name))], region="me-central2"))
    assert elsewhere["action"] == "drop"
    assert elsewhere["reasons"] == []


def test_an_unlisted_region_is_under_every_law_and_says_so() -> None:
    bank, other = ask(
        question(
            [drop("bank", named("swift-gateway")), drop("other", named("log-shipper"))],
            region="dc-nowhere",
        )
    )
    assert bank["action"] == "keep"
    assert other["action"] == "drop"
    for verdict in (bank, other):
        assert "BASELINE/unlisted-region" in [reason["control"] for reason in verdict["reasons"]]


def test_payments_of_india_are_kept_and_stay_there() -> None:
    (verdict,) = ask(question([drop("0", named("upi-switch"))], region="ap-south-1"))
    (regions,) = [d["regions"] for d in verdict["obligations"] if d["type"] == "allowed_regions"]
    assert "centralindia" in regions
    assert not {"eu-west-1", "us-east-1", "ap-southeast-1"} & set(regions)
