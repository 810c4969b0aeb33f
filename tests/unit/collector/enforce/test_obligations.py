"""Obligations travel with the points, and masks are applied before anything is written."""

from typing import Any

from collector.enforce.decision import Decision
from collector.enforce.obligations import MASKED, oblige

ATTRIBUTES: dict[str, Any] = {
    "process.executable.name": "patient-data-service",
    "process.owner": "alice",
    "process.command_args": ("serve", "--token=x"),
}


def kept(*obligations: dict[str, Any], kept_permille: int = 1000) -> Decision:
    return Decision("kept", "verdict", "k", kept_permille, obligations)


def test_obligations_become_resource_attributes() -> None:
    obliged = oblige(
        ATTRIBUTES,
        kept(
            {"type": "retain_days", "at_least": 365, "at_hand": 90},
            {"type": "no_sampling"},
            {"type": "encrypt"},
            {"type": "allowed_regions", "regions": ["eu-west-1", "eu-central-1"]},
        ),
        "eu-west-1",
    )
    assert obliged["compliance.verdict"] == "leased"
    assert obliged["compliance.retain_days.at_least"] == 365
    assert obliged["compliance.retain_days.at_hand"] == 90
    assert obliged["compliance.no_sampling"] is True
    assert obliged["compliance.encrypt"] is True
    assert obliged["compliance.allowed_regions"] == ("eu-central-1", "eu-west-1")
    assert obliged["process.owner"] == "alice"


def test_of_several_the_strictest_holds() -> None:
    obliged = oblige(
        ATTRIBUTES,
        kept(
            {"type": "retain_days", "at_least": 365, "at_most": 3000},
            {"type": "retain_days", "at_least": 2555, "at_most": 2600},
            {"type": "allowed_regions", "regions": ["eu-west-1", "us-east-1"]},
            {"type": "allowed_regions", "regions": ["eu-west-1"]},
        ),
        "eu-west-1",
    )
    assert obliged["compliance.retain_days.at_least"] == 2555
    assert obliged["compliance.retain_days.at_most"] == 2600
    assert obliged["compliance.allowed_regions"] == ("eu-west-1",)


def test_without_a_verdict_the_strictest_hold() -> None:
    obliged = oblige(ATTRIBUTES, Decision("kept", "no_lease", None), "eu-west-1")
    assert obliged["compliance.verdict"] == "none"
    assert obliged["compliance.encrypt"] is True
    assert obliged["compliance.allowed_regions"] == ("eu-west-1",)
    assert obliged["process.owner"] == MASKED
    assert obliged["process.command_args"] == MASKED
    assert obliged["process.executable.name"] == "patient-data-service"


def test_masked_attributes_are_named_and_gone() -> None:
    mask = {"type": "mask", "attributes": ["process.owner", "absent"]}
    obliged = oblige(ATTRIBUTES, kept(mask), "eu-west-1")
    assert "alice" not in str(obliged)
    assert obliged["compliance.mask"] == ("absent", "process.owner")
    assert "absent" not in obliged


def test_the_true_rate_goes_with_what_was_sampled_in() -> None:
    obliged = oblige(ATTRIBUTES, kept(kept_permille=250), "eu-west-1")
    assert obliged["compliance.sampling.kept_permille"] == 250
    assert "compliance.sampling.kept_permille" not in oblige(ATTRIBUTES, kept(), "eu-west-1")
