"""TrustStore: what each check refuses, and that remembering a certificate skips none of them."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.clock import ManualClock
from gateway.errors import ConfigError, IdentityError
from gateway.identity import authority, certificates
from gateway.identity.authority import CRL_LIFETIME, ISSUING_LIFETIME, SUBJECT_DAYS
from gateway.identity.certificates import Issuer
from gateway.identity.trust import TrustStore
from tests.fakes.pki import (
    AUDITOR,
    COLLECTOR,
    DAY,
    GATEWAY,
    TRUST_DOMAIN,
    Domain,
    make_bogus,
    make_domain,
)

HOUR = timedelta(hours=1)
EMPTY_BLOCK = b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def domain(tmp_path: Path, clock: ManualClock) -> Domain:
    return make_domain(tmp_path / "keys", clock)


@pytest.fixture
def trust(domain: Domain, clock: ManualClock) -> TrustStore:
    return TrustStore(TRUST_DOMAIN, domain.ca, domain.crl, clock)


def write_crl(
    domain: Domain,
    number: int,
    *,
    issuer: Issuer | None = None,
    serials: tuple[int, ...] = (),
    lifetime: timedelta = DAY,
) -> None:
    now = certificates.datetime_of(domain.clock.now_us())
    entries = [certificates.revoked_entry(serial, now) for serial in serials]
    crl = certificates.create_crl(issuer or domain.issuer(), entries, number, now, lifetime)
    domain.crl.write_bytes(crl.public_bytes(Encoding.PEM))


def root_of(domain: Domain) -> Issuer:
    return authority.load_issuer(domain.folder, authority.ROOT)


def test_each_subject_of_the_domain_is_identified(trust: TrustStore, domain: Domain) -> None:
    for uri in (COLLECTOR, AUDITOR):
        assert trust.identify(domain.der(uri)).uri == uri
    assert trust.health() is None


def test_clients_of_another_ca_are_unknown(
    trust: TrustStore, tmp_path: Path, clock: ManualClock
) -> None:
    other = make_domain(tmp_path / "other", clock)  # the same names, other keys
    with pytest.raises(IdentityError, match="no CA that is trusted now"):
        trust.identify(other.der())


def test_gateway_certificates_are_no_clients(trust: TrustStore, domain: Domain) -> None:
    with pytest.raises(IdentityError, match="not for TLS clients"):
        trust.identify(domain.der(GATEWAY))


def test_issuing_ca_is_no_client(trust: TrustStore, domain: Domain) -> None:
    der = domain.issuer().certificate.public_bytes(Encoding.DER)
    with pytest.raises(IdentityError):
        trust.identify(der)


@pytest.mark.parametrize("der", [b"", b"\x30\x00", b"x" * 100])
def test_bytes_that_are_no_certificate_are_refused(trust: TrustStore, der: bytes) -> None:
    with pytest.raises(IdentityError, match="cannot be parsed"):
        trust.identify(der)


def test_changed_certificate_is_refused(trust: TrustStore, domain: Domain) -> None:
    der = bytearray(domain.der())
    position = der.index(b"collector-1")
    der[position] ^= 1
    with pytest.raises(IdentityError):
        trust.identify(bytes(der))


def test_other_usages_are_refused(trust: TrustStore, domain: Domain) -> None:
    issuer, clock = domain.issuer(), domain.clock
    for bogus in (
        make_bogus(issuer, clock, usage=None),
        make_bogus(issuer, clock, usage=ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE),
        make_bogus(issuer, clock, is_ca=True),
        make_bogus(issuer, clock, may_sign=False),
    ):
        with pytest.raises(IdentityError):
            trust.identify(bogus.der)
    assert trust.identify(make_bogus(issuer, clock).der).uri == COLLECTOR


def test_wrong_trust_domain_is_refused(domain: Domain, clock: ManualClock) -> None:
    trust = TrustStore("other.test", domain.ca, domain.crl, clock)
    with pytest.raises(IdentityError, match=r"not of the trust domain other\.test"):
        trust.identify(domain.der())


def test_not_valid_yet_is_refused_until_it_is(
    trust: TrustStore, domain: Domain, clock: ManualClock
) -> None:
    bogus = make_bogus(domain.issuer(), clock, begins=HOUR)
    clock.advance(3599)
    with pytest.raises(IdentityError, match="not valid yet"):
        trust.identify(bogus.der)
    clock.advance(1)
    assert trust.identify(bogus.der).uri == COLLECTOR


def test_remembered_certificate_expires_to_the_second(
    trust: TrustStore, domain: Domain, clock: ManualClock
) -> None:
    bogus = make_bogus(domain.issuer(), clock, ends=HOUR)
    clock.advance(3600)  # X.509 includes the last second
    assert trust.identify(bogus.der).uri == COLLECTOR
    clock.advance(1)
    with pytest.raises(IdentityError, match="has expired"):
        trust.identify(bogus.der)


def test_clock_stepping_back_behind_the_certificate_refuses(
    trust: TrustStore, domain: Domain, clock: ManualClock
) -> None:
    der = domain.der()
    assert trust.identify(der).uri == COLLECTOR
    clock.wall_us -= 3_600_000_000
    with pytest.raises(IdentityError, match="not valid yet"):
        trust.identify(der)


def test_expired_issuing_ca_refuses_its_subjects(domain: Domain, clock: ManualClock) -> None:
    bogus = make_bogus(domain.issuer(), clock, ends=10 * ISSUING_LIFETIME)
    trust = TrustStore(TRUST_DOMAIN, domain.ca, None, clock)
    assert trust.identify(bogus.der).uri == COLLECTOR
    assert trust.not_after_us(bogus.der) < clock.now_us() + (ISSUING_LIFETIME + DAY) // timedelta(
        microseconds=1
    )
    clock.advance((ISSUING_LIFETIME + DAY).total_seconds())
    with pytest.raises(IdentityError, match="CA"):
        trust.identify(bogus.der)


def test_not_after_is_the_certificates(
    trust: TrustStore, domain: Domain, clock: ManualClock
) -> None:
    ends_us = clock.now_us() // 1_000_000 * 1_000_000 + SUBJECT_DAYS * 86_400_000_000
    assert trust.not_after_us(domain.der()) == ends_us + 1_000_000


def test_revoked_within_a_second_though_remembered(
    trust: TrustStore, domain: Domain, clock: ManualClock
) -> None:
    collector, auditor = domain.der(), domain.der(AUDITOR)
    assert trust.identify(collector).uri == COLLECTOR
    domain.revoke(COLLECTOR)
    clock.advance(0.999)
    assert trust.identify(collector).uri == COLLECTOR, "looked at once a second at most"
    clock.advance(0.001)
    for _ in range(2):
        with pytest.raises(IdentityError, match="is revoked"):
            trust.identify(collector)
    assert trust.identify(auditor).uri == AUDITOR
    assert trust.health() is None


def test_file_system_is_asked_at_most_once_a_second(
    trust: TrustStore, domain: Domain, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    real_stat = os.stat

    def counting_stat(path: str) -> os.stat_result:
        asked.append(path)
        return real_stat(path)

    monkeypatch.setattr("gateway.identity.watched_file.os.stat", counting_stat)
    der = domain.der()
    for _ in range(1000):
        trust.identify(der)
        clock.advance(0.0021)
    assert len(asked) == 2 * 2


def test_without_a_crl_nobody_is_revoked(domain: Domain, clock: ManualClock) -> None:
    trust = TrustStore(TRUST_DOMAIN, domain.ca, None, clock)
    domain.revoke(COLLECTOR)
    clock.advance(2)
    assert trust.identify(domain.der()).uri == COLLECTOR


def expect_closed(trust: TrustStore, domain: Domain, reason: str) -> None:
    """Nobody is identified, and health says why and where."""
    for uri in (COLLECTOR, AUDITOR):
        with pytest.raises(IdentityError, match=reason):
            trust.identify(domain.der(uri))
    health = trust.health()
    assert health is not None
    assert reason in health
    assert str(domain.folder) in health


def test_expired_crl_fails_closed(trust: TrustStore, domain: Domain, clock: ManualClock) -> None:
    write_crl(domain, 2, lifetime=HOUR)
    clock.advance(3600)
    expect_closed(trust, domain, "expired")
    write_crl(domain, 3)
    clock.advance(1)
    assert trust.identify(domain.der()).uri == COLLECTOR
    assert trust.health() is None


def test_crl_from_the_future_fails_closed(
    trust: TrustStore, domain: Domain, clock: ManualClock
) -> None:
    clock.wall_us += 3_600_000_000
    write_crl(domain, 2)
    clock.wall_us -= 3_600_000_000
    clock.advance(1)
    expect_closed(trust, domain, "not valid yet")


def test_missing_crl_fails_closed(trust: TrustStore, domain: Domain, clock: ManualClock) -> None:
    kept = domain.crl.read_bytes()
    domain.crl.unlink()
    clock.advance(1)
    expect_closed(trust, domain, "cannot read the CRL")
    domain.crl.write_bytes(kept)
    clock.advance(1)
    assert trust.identify(domain.der()).uri == COLLECTOR


@pytest.mark.parametrize("content", [b"", b"junk", EMPTY_BLOCK])
def test_crl_that_is_none_fails_closed(
    trust: TrustStore, domain: Domain, clock: ManualClock, content: bytes
) -> None:
    domain.crl.write_bytes(content)
    clock.advance(1)
    expect_closed(trust, domain, "CRL")


def test_crl_of_another_ca_fails_closed(
    trust: TrustStore, domain: Domain, clock: ManualClock, tmp_path: Path
) -> None:
    other = make_domain(tmp_path / "other", clock)
    write_crl(domain, 9, issuer=other.issuer())
    clock.advance(1)
    expect_closed(trust, domain, "not signed by any CA")


def test_partial_crl_fails_closed(trust: TrustStore, domain: Domain, clock: ManualClock) -> None:
    now = certificates.datetime_of(clock.now_us())
    issuer = domain.issuer()
    delta = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(now)
        .next_update(now + DAY)
        .add_extension(x509.CRLNumber(2), False)
        .add_extension(x509.DeltaCRLIndicator(1), True)
        .sign(issuer.key, hashes.SHA256())
    )
    domain.crl.write_bytes(delta.public_bytes(Encoding.PEM))
    clock.advance(1)
    expect_closed(trust, domain, "give the full one")


def test_crl_that_was_changed_fails_closed(
    trust: TrustStore, domain: Domain, clock: ManualClock
) -> None:
    domain.revoke(COLLECTOR)
    der = bytearray(x509.load_pem_x509_crl(domain.crl.read_bytes()).public_bytes(Encoding.DER))
    serial = x509.load_der_x509_certificate(domain.der()).serial_number
    der[der.index(serial.to_bytes(20, "big").lstrip(b"\0")) + 3] ^= 1
    domain.crl.write_bytes(x509.load_der_x509_crl(bytes(der)).public_bytes(Encoding.PEM))
    clock.advance(1)
    expect_closed(trust, domain, "not signed by any CA")


def test_older_crl_would_unrevoke_and_fails_closed(
    trust: TrustStore, domain: Domain, clock: ManualClock
) -> None:
    before = domain.crl.read_bytes()
    domain.revoke(COLLECTOR)
    clock.advance(1)
    with pytest.raises(IdentityError, match="revoked"):
        trust.identify(domain.der())
    domain.crl.write_bytes(before)
    clock.advance(1)
    expect_closed(trust, domain, "older than one seen before")


def test_crl_of_the_root_alone_does_not_speak_for_the_issuing_ca(
    trust: TrustStore, domain: Domain, clock: ManualClock
) -> None:
    write_crl(domain, 1, issuer=root_of(domain))
    clock.advance(1)
    expect_closed(trust, domain, "no CRL of")


def test_crl_of_the_root_can_revoke_the_issuing_ca(
    trust: TrustStore, domain: Domain, clock: ManualClock
) -> None:
    issuing_crl = domain.crl.read_bytes()
    serial = domain.issuer().certificate.serial_number
    write_crl(domain, 1, issuer=root_of(domain), serials=(serial,))
    domain.crl.write_bytes(domain.crl.read_bytes() + issuing_crl)
    clock.advance(1)
    with pytest.raises(IdentityError, match="is revoked"):
        trust.identify(domain.der())


def test_ca_taken_out_of_the_bundle_cuts_off_remembered_subjects(
    trust: TrustStore, domain: Domain, clock: ManualClock, tmp_path: Path
) -> None:
    der = domain.der()
    other = make_domain(tmp_path / "other", clock)
    assert trust.identify(der).uri == COLLECTOR
    domain.ca.write_bytes(other.ca.read_bytes())
    domain.crl.write_bytes(other.crl.read_bytes())
    clock.advance(1)
    with pytest.raises(IdentityError, match="no CA that is trusted now"):
        trust.identify(der)
    assert trust.identify(other.der()).uri == COLLECTOR


@pytest.mark.parametrize("content", [b"", b"junk"])
def test_broken_bundle_fails_closed(
    trust: TrustStore, domain: Domain, clock: ManualClock, content: bytes
) -> None:
    domain.ca.write_bytes(content)
    clock.advance(1)
    expect_closed(trust, domain, "no bundle of PEM certificates")


def test_bundle_says_exactly_whom_it_trusts(domain: Domain, clock: ManualClock) -> None:
    issuing = domain.issuer().certificate.public_bytes(Encoding.PEM)
    leaf = x509.load_der_x509_certificate(domain.der()).public_bytes(Encoding.PEM)
    whole = domain.ca.read_bytes()
    for content, reason in (
        (issuing, "leads to no root"),
        (whole + leaf, "is no CA"),
    ):
        domain.ca.write_bytes(content)
        with pytest.raises(ConfigError, match=reason):
            TrustStore(TRUST_DOMAIN, domain.ca, domain.crl, clock)


def test_unusable_files_at_the_start_are_config_errors(domain: Domain, clock: ManualClock) -> None:
    for roots, crl in ((domain.folder / "none", domain.crl), (domain.ca, domain.folder / "none")):
        with pytest.raises(ConfigError, match="none: cannot read"):
            TrustStore(TRUST_DOMAIN, roots, crl, clock)


def test_crl_of_a_fresh_domain_lasts(trust: TrustStore, domain: Domain, clock: ManualClock) -> None:
    clock.advance((CRL_LIFETIME - DAY).total_seconds())
    assert trust.health() is None


def test_few_certificates_are_remembered(
    trust: TrustStore, domain: Domain, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.identity.trust.MAX_REMEMBERED", 3)
    issuer = domain.issuer()
    for _ in range(5):
        assert trust.identify(make_bogus(issuer, clock).der).uri == COLLECTOR
    assert len(trust._known) == 3
