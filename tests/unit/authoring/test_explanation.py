"""Explanations: the real OPA over the small bundle, and over the library itself."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway import policy_explain_cli
from gateway.authoring.explanation import Explanation, Finding, explain
from gateway.authoring.inquiry import Inquiry, named_process, parse_attributes, read_proposal
from gateway.bundles.folder import Bundle, parse_bundle, read_bundle
from gateway.clock import parse_time
from gateway.decisions.floor import FloorFile, floor_text, parse_rows
from gateway.errors import BundleError, ConfigError, InputError
from gateway.transparency.notes import Signer, sign_note
from gateway.wire.classes import Sender
from tests.fakes.bundles import real_opa
from tests.unit.authoring.small_bundle import (
    ROOT,
    SCORE,
    SYSTEMS,
    run_command,
    small_bundle,
    small_files,
    write_bundle,
)

pytestmark = pytest.mark.opa

AT_NOON = parse_time("2026-11-25T17:00:00.000000Z")  # a Wednesday, noon in New York
ON_TUESDAY = parse_time("2026-11-24T17:00:00.000000Z")


def asked(
    name: str,
    score: float | None = 0.1,
    windows: tuple[str, ...] = (),
    region: str = "us-east-1",
    **proposal: Any,
) -> Inquiry:
    members = {"process": named_process(name), "action": "drop", **proposal}
    if score is not None:
        members["score"] = score
    return Inquiry(members, Sender("production", region, "unlisted"), windows)


def explained(
    inquiry: Inquiry,
    bundle: Bundle | None = None,
    floor: FloorFile | None = None,
    now_us: int = AT_NOON,
) -> Explanation:
    return explain(bundle or small_bundle(), Path("b"), inquiry, floor, real_opa(), now_us)


def finding_of(explanation: Explanation, rule: str) -> Finding:
    (found,) = [finding for finding in explanation.findings if finding.reason.rule == rule]
    return found


def test_a_pattern_row_is_named_with_its_place_and_the_name_it_matches() -> None:
    found = explained(asked("Payment-1".lower()))
    assert (found.settled.action, found.settled.effect) == ("keep", "overridden")
    finding = finding_of(found, "rules.pci.systems")
    assert finding.row is not None
    assert (finding.row.id, finding.row.at) == ("pci-payments", "data/pci/data.yaml:3")
    assert finding.matched == {"payment-1": ("process.executable.name",)}
    (change,) = finding.changes
    assert change == (
        "row pci-payments (b/data/pci/data.yaml:3) would have to stop matching payment-1; a bundle "
        "that takes this protection away needs an approval that lists payment-1 by name"
    )


def test_only_the_names_that_a_row_matches_are_shown() -> None:
    inquiry = asked("payment-1")
    process = {**inquiry.proposal["process"], "service.name": "cards"}
    found = explained(replace(inquiry, proposal={**inquiry.proposal, "process": process}))
    assert list(finding_of(found, "rules.pci.systems").matched) == ["payment-1"]


def test_lines_that_were_not_true_are_not_shown() -> None:
    more = SYSTEMS + b"\nother := 1 if {\n\tcount(findings) > 0\n\tinput.subject.tier == 7\n}\n"
    more += b"\n_more := other\n"
    finding = finding_of(
        explained(asked("payment-1"), small_bundle(rules__pci__systems__rule=more)),
        "rules.pci.systems",
    )
    assert finding.lines
    assert max(finding.lines) <= len(SYSTEMS.splitlines())


def test_the_lines_that_were_true_are_those_of_this_evaluation() -> None:
    finding = finding_of(explained(asked("payment-1")), "rules.pci.systems")
    text = SYSTEMS.decode().splitlines()
    head = next(at for at, line in enumerate(text, start=1) if line.startswith("findings := "))
    assert finding.rule_place == f"b/rules/pci/systems/rule.rego:{head}"
    assert set(range(head, head + 5)) <= set(finding.lines)
    # The helper is asked too; lines between and comments are not lines of rules.
    assert all(
        text[line - 1].strip() and not text[line - 1].startswith("#") for line in finding.lines
    )


def test_a_score_says_below_which_it_would_not_protect() -> None:
    for score in (None, 0.8, 1.0):
        finding = finding_of(explained(asked("log-shipper", score)), "rules.baseline.score")
        now = "0.9" if score == 0.8 else "1"
        assert finding.changes == (f"a score of at most 0.75 (it counts as {now} now)",)
    assert explained(asked("log-shipper", 0.75)).is_permitted


def test_a_window_says_when_it_ends() -> None:
    finding = finding_of(
        explained(asked("trading-1", windows=("trading-hours",))), "rules.baseline.hours"
    )
    window, sample, row = finding.changes
    assert window == (
        "window trading-hours must be closed: it ends at 2026-11-25 18:00 America/New_York "
        "(2026-11-25T23:00Z)"
    )
    assert sample == "a sample of at least 0.5 satisfies row engine"
    assert "row engine (b/data/trading/data.yaml:2) would have to stop matching" in row


def test_a_window_that_is_not_open_now_says_its_hours() -> None:
    inquiry = asked("trading-1", windows=("trading-hours",))
    finding = finding_of(explained(inquiry, now_us=ON_TUESDAY), "rules.baseline.hours")
    assert "it is not open now (mon wed 09:00 to 18:00 America/New_York)" in finding.changes[0]


def test_obligations_name_the_rows_that_ask_for_them() -> None:
    found = explained(asked("payment-1", region="eu-west-1"))
    retention = [one for one in found.settled.obligations if one["type"] == "retain_days"]
    sources = {
        finding.row.id: dict(duty)
        for duty, finding in found.sources_of(retention[0])
        if finding.row is not None
    }
    assert sources == {
        "pci-payments": {"type": "retain_days", "at_least": 365},
        "gdpr-thirty": {"type": "retain_days", "at_most": 30},
    }
    assert finding_of(found, "rules.gdpr.deletion").changes == ()


def test_a_family_says_which_senders_it_is_for() -> None:
    files = small_files()
    files["data/pci/data.yaml"] += b"family: {title: P, applies_to: {jurisdictions: [eu, uk]}}\n"
    finding = finding_of(explained(asked("payment-1"), parse_bundle(files)), "rules.pci.systems")
    assert finding.reach == "jurisdictions eu, uk"


def test_what_neither_row_nor_score_nor_window_explains_has_the_remediation() -> None:
    always = SCORE.replace(b"proposal.score >= data.data.baseline.critical.at_least", b"proposal")
    assert always != SCORE
    bundle = small_bundle(rules__baseline__score__rule=always)
    assert finding_of(explained(asked("x"), bundle), "rules.baseline.score").changes == (
        "what row base-critical (b/data/baseline/data.yaml:2) says must no longer hold: "
        "Ask the owner.",
    )


def test_every_part_of_the_floor_says_who_can_change_it() -> None:
    rows = parse_rows([{"id": "site", "glob": "payment-*", "control": "SITE/1"}], "floor")
    found = explained(asked("payment-gateway-1"), floor=FloorFile(7, rows))
    changes = {(hit.part, hit.row): hit.change for hit in found.floor}
    assert set(changes) == {
        ("minimum", "minimum-payment-gateway"),
        ("file", "site"),
        ("bundle", "pci-payments"),
    }
    assert "no bundle can change it" in changes["minimum", "minimum-payment-gateway"]
    assert "version 7: no bundle can change it" in changes["file", "site"]
    assert {hit.matched for hit in found.floor} == {("payment-gateway-1",)}


def test_the_floor_keeps_what_no_rule_knows() -> None:
    inquiry = asked("patient-data-service")
    found = explained(inquiry)
    assert found.findings == ()
    assert (found.settled.action, found.floor[0].part) == ("keep", "minimum")
    unknown = asked("x")
    process = {**unknown.proposal["process"], "compliance.process.identity_source": "unknown"}
    (hit,) = explained(replace(unknown, proposal={**unknown.proposal, "process": process})).floor
    assert hit.part == "identity"
    assert "no bundle can change this" in hit.change


def test_a_permitted_process_is_told_what_would_protect_it() -> None:
    found = explained(asked("trading-1"))
    assert found.is_permitted
    score, window, identity, *_, row = found.would_protect
    assert sorted((score, identity, window)) == sorted(
        (
            "a score above 0.75: BASE/score, rules.baseline.score",
            "a collector that cannot tell what the process is: FLOOR/identity, floor.minimum",
            "while window trading-hours is open (mon wed 09:00 to 18:00 America/New_York): "
            "BASE/hours, rules.baseline.hours",
        )
    )
    assert row.startswith("a row of never_filter that matches trading-1")


def test_a_cut_name_is_told_which_row_a_longer_one_would_meet() -> None:
    sentences = explained(asked("pay")).would_protect
    assert "a longer name: row pci-payments (b/data/pci/data.yaml:3), regex ^payment-" in sentences


def test_a_proposal_to_keep_needs_nothing() -> None:
    found = explained(asked("log-shipper", action="keep"))
    assert (found.is_permitted, found.would_protect) == (True, ())


def test_a_policy_that_fails_keeps_as_the_gateway_does_and_says_why() -> None:
    broken = small_bundle(
        rules__baseline__score__rule=b"package rules.baseline.score\n\n"
        b"findings := {0: to_number(input.proposals[0].profile)}\n"
    )
    found = explained(asked("log-shipper"), broken)
    assert (found.settled.effect, found.settled.action) == ("fail_safe", "keep")
    assert found.settled.reasons[0].rule == "gateway.builtin_error"
    assert "to_number" in found.said


def test_an_undefined_answer_keeps() -> None:
    silent = small_bundle(main__main=b"package main\n\nverdicts := [1] if input.nowhere\n")
    assert explained(asked("log-shipper"), silent).settled.reasons[0].rule == "gateway.undefined"


def test_what_does_not_compile_cannot_be_explained() -> None:
    with pytest.raises(BundleError, match="rego_parse_error"):
        explained(asked("x"), small_bundle(main__main=b"package main\n\nverdicts := [\n"))
    clock = b"package main\n\nverdicts := [time.now_ns()]\n"
    with pytest.raises(BundleError, match=r"undefined function time\.now_ns"):
        explained(asked("x"), small_bundle(main__main=clock))


def test_attributes_that_no_policy_reads_are_told() -> None:
    assert explained(asked("x")).undeclared == ("compliance.process.identity",)


@pytest.mark.parametrize(
    "proposal",
    [
        {"action": "sample"},
        {"action": "drop", "sample_rate": 0.5},
        {"action": "erase"},
        {"action": "drop", "score": 3},
        {"action": "drop", "score": float("nan")},
        {"process": {"process.executable.name": 7}, "action": "drop"},
    ],
)
def test_a_proposal_that_the_gateway_would_not_read_is_refused(proposal: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="the proposal cannot be read"):
        asked("x", **{"score": None, **proposal}).project(small_bundle().class_declaration)


LIBRARY = ROOT / "policies"


@pytest.mark.parametrize(
    ("name", "action"),
    [
        ("payment-gateway-eu-1", "keep"),
        ("customer-data-processor", "keep"),
        ("patient-data-service", "keep"),
        ("plc-controller", "keep"),
        ("log-shipper", "drop"),
        ("xpayment-gateway-eu", "drop"),
    ],
)
def test_the_library_is_explained(name: str, action: str) -> None:
    found = explained(asked(name), read_bundle(LIBRARY))
    assert found.settled.action == action
    protecting = [finding for finding in found.findings if finding.reason.level != "advisory"]
    assert bool(protecting) is (action == "keep")
    for finding in protecting:
        assert finding.row is not None
        assert name in finding.matched
        assert finding.lines
        assert finding.changes


def test_the_command_explains_in_80_columns(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "b", small_files())
    result = run_command(
        policy_explain_cli.explain,
        *(folder, "--name", "payment-1", "--score", "0.1", "--no-window", "--opa", real_opa()),
        *("--region", "eu-west-1", "--attribute", "service.name=cards"),
    )
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "KEEP  (overridden; proposed: drop)"
    assert "  service.name = cards" in lines
    assert "    regex ^payment- matches payment-1 (process.executable.name)" in lines
    assert "To be permitted, each of these would have to change" in lines
    assert max(len(line) for line in lines if str(folder) not in line) <= 80


def test_the_command_says_the_same_to_machines(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "b", small_files())
    process = tmp_path / "process.json"
    process.write_text(json.dumps({"process": named_process("payment-1"), "score": 0.1}))
    result = run_command(
        policy_explain_cli.explain,
        *(folder, "--process", process, "--no-window", "--opa", real_opa(), "--json"),
    )
    value = json.loads(result.stdout)
    assert value["verdict"]["action"] == "keep"
    (finding,) = value["findings"]
    assert finding["row"]["place"] == f"{folder}/data/pci/data.yaml:3"
    assert finding["matched"] == {"payment-1": ["process.executable.name"]}
    assert value["class"]["score"] == 250


def test_the_command_reads_a_signed_floor_and_no_other(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "b", small_files())
    signers = [Signer("example.org/floor", Ed25519PrivateKey.generate()) for _ in range(2)]
    rows = parse_rows([{"id": "site", "glob": "log-*", "control": "SITE/1"}], "floor")
    floor, key = tmp_path / "floor", tmp_path / "floor.vkey"
    floor.write_text(sign_note(floor_text("example.org", 3, rows), [signers[0]]))
    command = (
        policy_explain_cli.explain,
        *(folder, "--name", "log-shipper", "--score", "0.1", "--opa", real_opa(), "--json"),
        *("--floor", floor, "--floor-key", key),
    )
    key.write_text(signers[0].verifier.vkey)
    assert json.loads(run_command(*command).stdout)["floor_rows"][0]["row"] == "site"
    key.write_text(signers[1].verifier.vkey)
    assert isinstance(run_command(*command).exception, ConfigError)


def test_the_command_refuses_what_it_cannot_read(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "b", small_files())
    for arguments in (
        [],
        ["--name", "a", "--process", "b"],
        ["--name", "a", "--attribute", "b"],
        ["--name", "a", "--window", "w", "--no-window"],
    ):
        result = run_command(policy_explain_cli.explain, folder, *arguments)
        assert isinstance(result.exception, InputError), arguments


def test_files_of_proposals_are_read_strictly(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    for text in ("[]", "{", '{"a": 1, "a": 2}'):
        path.write_text(text)
        with pytest.raises(ConfigError, match=r"p\.json"):
            read_proposal(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_proposal(tmp_path / "nothing.json")
    path.write_text('{"service.name": "x"}')
    assert read_proposal(path) == {"process": {"service.name": "x"}}


def test_attributes_are_written_name_value() -> None:
    assert parse_attributes(["a=b=c", "d="]) == {"a": "b=c", "d": ""}
    for pair in ("a", "=b"):
        with pytest.raises(InputError):
            parse_attributes([pair])
