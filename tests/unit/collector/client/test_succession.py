"""A collector follows a log that was closed, under its people's signatures and no others."""

import base64
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from collector.client.consultation import Consultation
from collector.client.gateway_client import GatewayClient
from collector.client.leases import LeaseStore
from collector.client.succession import FILE
from collector.client.witness import CHECKPOINT_FILE, Witness
from collector.errors import EvidenceError
from gateway import canonical
from gateway.clock import ManualClock
from gateway.transparency.entry import GENESIS, encode_entry
from gateway.transparency.notes import Signer, sign_note
from gateway.transparency.succession import Succession, encode_succession
from tests.fakes.gateway import ORIGIN, FakeGateway


def signer(name: str, seed: int) -> Signer:
    return Signer(name, Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))


CAROL, DAVE = signer("example.test/operator/carol", 3), signer("example.test/approver/dave", 4)
PEOPLE = (CAROL.verifier, DAVE.verifier)
NEW = signer(f"{ORIGIN}~2", 9)


class Site:
    """A collector that knows a log of 6 entries, of which the gateway is about to lose two."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.clock = ManualClock()
        self.gateway = FakeGateway(self.clock)
        for at in range(3):
            self.gateway.append(f"entry {at}")
        self.checkpoint = self.gateway.checkpoint()
        for at in range(2):
            self.gateway.append(f"lost {at}")
        self.kept = self.gateway.checkpoint()
        self.consult().refresh_policy()
        self.witness.observe(self.kept)

    def consult(self) -> Consultation:
        """The collector, started anew."""
        self.client = GatewayClient("https://gateway.test", self.gateway.open_http, self.clock)
        verifier = signer(ORIGIN, 7).verifier
        self.witness = Witness(self.state, verifier, self.client, self.clock, PEOPLE)
        self.leases = LeaseStore(self.clock)
        self.leases.observe_activation(900)  # of the old log
        return Consultation(self.client, self.leases, self.witness)

    def statement(self) -> Succession:
        return Succession(
            old=ORIGIN,
            new=NEW.name,
            size=4,
            checkpoint=self.checkpoint,
            witnessed=self.kept,
            lost_first=4,
            lost_last=5,
            vkey=NEW.vkey,
            reason="the disk burnt",
            time="2026-11-25T10:00:00.000000Z",
        )

    def succeed(self, statement: Succession | None = None, by: Sequence[Signer] = ()) -> None:
        text = encode_succession(statement or self.statement())
        note = sign_note(text, by or (self.gateway.signer, CAROL, DAVE))
        body = canonical.encode({"checkpoint_key": NEW.vkey, "succeeds": note})
        self.gateway.succeed(
            NEW, encode_entry(NEW.name, 0, GENESIS, 0, "log.opened", "spiffe://x.test/g/g", body)
        )


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_the_kept_checkpoint_is_shown_with_the_first_question(site: Site) -> None:
    site.consult().refresh_policy()
    assert site.gateway.shown[0] is None
    assert base64.b64decode(site.gateway.shown[1] or "").decode() == site.kept


def test_it_is_followed_and_told(site: Site) -> None:
    consultation = site.consult()
    consultation.refresh_policy()
    site.succeed()
    site.consult().refresh_policy()
    (followed,) = site.witness.successions
    assert followed.sentence.startswith(f"log {NEW.name} succeeds log {ORIGIN}")
    assert site.leases.activation == site.gateway.activation
    assert (site.state / CHECKPOINT_FILE).read_text() == site.gateway.checkpoint()
    assert (site.state / f"{CHECKPOINT_FILE}.before-2").read_text() == site.kept
    site.gateway.append("more")
    site.witness.observe(site.gateway.checkpoint())
    site.consult()  # and after another start
    assert site.witness.newest is not None
    assert site.witness.newest.origin == NEW.name
    site.gateway.append("and more")
    site.witness.observe(site.gateway.checkpoint())


def test_a_running_collector_follows_in_the_next_round(site: Site) -> None:
    consultation = site.consult()
    consultation.refresh_policy()
    site.succeed()
    with pytest.raises(Exception, match="succeeds the one known"):
        site.witness.observe(site.gateway.checkpoint())
    consultation.refresh_policy()
    assert consultation.take_notices()[0].startswith("The audit log goes on as another one")
    assert consultation.take_notices() == []
    site.witness.observe(site.gateway.checkpoint())
    assert consultation.evidence_failure is None


def test_a_refusal_ends_with_it_and_its_evidence_stays(site: Site) -> None:
    lost = site.gateway.leaves[4:]
    del site.gateway.leaves[4:]
    consultation = site.consult()
    with pytest.raises(EvidenceError):
        site.witness.observe(site.gateway.checkpoint())
    consultation = site.consult()
    assert consultation.evidence_failure is not None
    site.gateway.leaves += lost
    site.succeed()
    consultation.refresh_policy()
    assert site.consult().evidence_failure is None
    assert site.gateway.fork_reports == []
    assert sorted(path.name for path in site.state.glob("*refused*")) == [
        "checkpoint.refused.before-2",
        "checkpoint.refused.reason.before-2",
    ]


@pytest.mark.parametrize("case", ["one person", "not the log", "less lost", "another key"])
def test_what_does_not_hold_is_not_followed(site: Site, case: str) -> None:
    statement = site.statement()
    by: tuple[Signer, ...] = (site.gateway.signer, CAROL, DAVE)
    if case == "one person":
        by = by[:2]
    elif case == "not the log":
        by = by[1:]
    elif case == "less lost":  # than this collector's own checkpoint shows
        del site.gateway.leaves[5:]
        statement = replace(statement, witnessed=site.gateway.checkpoint(), lost_last=4)
    else:
        statement = replace(statement, vkey=signer(NEW.name, 8).vkey)
    site.succeed(statement, by)
    consultation = site.consult()
    consultation.refresh_policy()
    assert site.witness.successions == []
    assert not (site.state / FILE).exists()
    assert (site.state / CHECKPOINT_FILE).read_text() == site.kept


def test_a_damaged_file_stops_the_start(site: Site) -> None:
    site.succeed()
    site.consult().refresh_policy()
    text = (site.state / FILE).read_text()
    (site.state / FILE).write_text(text.replace("burnt", "stolen"))
    with pytest.raises(EvidenceError, match="does not hold"):
        site.consult()
