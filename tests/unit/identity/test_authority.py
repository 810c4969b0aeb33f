"""The development trust domain on disk: what is written, how, and what is refused."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyrage
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.clock import ManualClock
from gateway.errors import ConfigError, IdentityError
from gateway.identity import authority
from gateway.identity.spiffe import subject_of_certificate
from gateway.transparency.notes import Signer, Verifier
from tests.fakes.pki import (
    AUDITOR,
    COLLECTOR,
    GATEWAY,
    TRUST_DOMAIN,
    Domain,
    make_bogus,
    make_domain,
)

PEOPLE = [
    f"spiffe://{TRUST_DOMAIN}/{r}/{r}-1" for r in ("author", "approver", "operator", "auditor")
]
NEW = f"spiffe://{TRUST_DOMAIN}/collector/production/eu-west-1/edge-7"


def everything(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def chain(domain: Domain, uri: str) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(domain.files(uri)[0].read_bytes())


def crl_of(domain: Domain) -> x509.CertificateRevocationList:
    return x509.load_pem_x509_crl(domain.crl.read_bytes())


def test_every_file_is_listed_owner_only_and_nothing_else_is_there(tmp_path: Path) -> None:
    old_umask = os.umask(0)
    try:
        folder = tmp_path / "a" / "keys"
        listed = authority.create_domain(folder, TRUST_DOMAIN, ["localhost"], ManualClock())
    finally:
        os.umask(old_umask)
    paths = [path for path in folder.rglob("*") if path.is_file()]
    assert sorted(paths) == sorted(file.path for file in listed)
    assert all(file.what for file in listed)
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o600}
    folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}
    assert [path.name for path in folder.parent.iterdir()] == ["keys"], "no partial folder is left"


def test_what_is_there_is_never_overwritten(domain: Domain) -> None:
    before = everything(domain.folder)
    with pytest.raises(ConfigError, match="never overwritten"):
        make_domain(domain.folder)
    assert everything(domain.folder) == before


@pytest.mark.parametrize("kind", ["file", "dangling link", "link to an empty folder"])
def test_other_things_in_the_way_are_refused(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "keys"
    elsewhere = tmp_path / "elsewhere"
    if kind == "file":
        target.write_text("x")
    else:
        target.symlink_to(elsewhere)
    if kind == "link to an empty folder":
        elsewhere.mkdir()
    with pytest.raises(ConfigError, match="never overwritten"):
        make_domain(target)
    assert not elsewhere.exists() or not any(elsewhere.iterdir())


def test_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    domain = make_domain(tmp_path / "keys")
    assert stat.S_IMODE(domain.folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("failing", [1, 2, 13, 23])
def test_failure_in_the_middle_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    calls = 0
    real_fsync = os.fsync

    def full_disk(handle: int) -> None:
        nonlocal calls
        calls += 1
        if calls == failing:
            raise OSError(28, "No space left on device")
        real_fsync(handle)

    monkeypatch.setattr("gateway.identity.key_files.os.fsync", full_disk)
    with pytest.raises(ConfigError, match="No space left"):
        make_domain(tmp_path / "keys")
    assert list(tmp_path.iterdir()) == []


def test_client_certificates_lead_to_the_root(domain: Domain) -> None:
    root = x509.load_pem_x509_certificate((domain.folder / "root-ca.pem").read_bytes())
    for uri in (COLLECTOR, *PEOPLE):
        leaf, issuing = chain(domain, uri)
        assert subject_of_certificate(leaf, TRUST_DOMAIN).uri == uri
        leaf.verify_directly_issued_by(issuing)
        issuing.verify_directly_issued_by(root)
        usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]


def test_gateway_certificate_names_its_hosts_and_its_uri(domain: Domain) -> None:
    leaf, _ = chain(domain, GATEWAY)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [GATEWAY]
    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_cas_are_limited(domain: Domain) -> None:
    for stem, length in ((authority.ROOT, 1), (authority.ISSUING, 0)):
        extensions = authority.load_issuer(domain.folder, stem).certificate.extensions
        constraints = extensions.get_extension_for_class(x509.BasicConstraints)
        assert constraints.critical
        assert constraints.value == x509.BasicConstraints(True, length)
    assert authority.trust_domain_of(domain.issuer().certificate) == TRUST_DOMAIN


def test_serials_and_keys_are_never_the_same_twice(domain: Domain) -> None:
    leaves = [chain(domain, uri)[0] for uri in (GATEWAY, COLLECTOR, *PEOPLE)]
    assert len({leaf.serial_number for leaf in leaves}) == len(leaves)
    keys = set()
    for uri, leaf in zip((GATEWAY, COLLECTOR, *PEOPLE), leaves, strict=True):
        key = load_pem_private_key(domain.files(uri)[1].read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        assert isinstance(key.curve, ec.SECP256R1)
        assert key.public_key() == leaf.public_key()
        keys.add(key.private_numbers().private_value)
    assert len(keys) == len(leaves)


@pytest.mark.parametrize(
    ("stem", "name"), [("checkpoint", f"{TRUST_DOMAIN}/log"), ("floor", f"{TRUST_DOMAIN}/floor")]
)
def test_note_keys_match_their_verifier_keys(domain: Domain, stem: str, name: str) -> None:
    key = load_pem_private_key((domain.folder / f"{stem}.key").read_bytes(), None)
    assert isinstance(key, Ed25519PrivateKey)
    text = (domain.folder / f"{stem}.vkey").read_text()
    assert text == Signer(name, key).vkey + "\n"
    assert Verifier.from_vkey(text.strip()).name == name


def test_origin_names_the_checkpoint_key(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    authority.create_domain(folder, TRUST_DOMAIN, [], ManualClock(), origin="log.example/eu")
    assert (folder / "checkpoint.vkey").read_text().startswith("log.example/eu+")


def test_age_identity_opens_what_its_recipient_seals(domain: Domain) -> None:
    created, recipient, secret = (domain.folder / "age.txt").read_text().splitlines()
    assert created == "# created: 2026-01-02T03:04:05.000006Z"
    sealed = pyrage.encrypt(
        b"x", [pyrage.x25519.Recipient.from_str(recipient.removeprefix("# public key: "))]
    )
    assert pyrage.decrypt(sealed, [pyrage.x25519.Identity.from_str(secret)]) == b"x"


@pytest.mark.parametrize(
    ("named", "error"),
    [
        ({"trust_domain": "Bank.test"}, IdentityError),
        ({"trust_domain": "bank.test/x"}, IdentityError),
        ({"hosts": ["bad host"]}, ConfigError),
        ({"hosts": ["-x"]}, ConfigError),
        ({"hosts": ["bänk.test"]}, ConfigError),
        ({"region": "eu/west"}, IdentityError),
        ({"environment": ".."}, IdentityError),
        ({"origin": "a b"}, ConfigError),
        ({"origin": "a+b"}, ConfigError),
        ({"days": 0}, ConfigError),
        ({"days": 826}, ConfigError),
    ],
)
def test_bad_names_write_nothing(
    tmp_path: Path, named: dict[str, object], error: type[Exception]
) -> None:
    wanted: dict[str, object] = {"trust_domain": TRUST_DOMAIN, "hosts": ["localhost"], **named}
    with pytest.raises(error):
        authority.create_domain(tmp_path / "keys", clock=ManualClock(), **wanted)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_issue_adds_a_subject_and_renews_the_crl(domain: Domain) -> None:
    before = everything(domain.folder)
    listed = authority.issue(domain.folder, NEW, 30, domain.clock)
    certificate, key = domain.files(NEW)
    assert {file.path for file in listed} == {certificate, key}
    assert {stat.S_IMODE(file.path.stat().st_mode) for file in listed} == {0o600}
    leaf, issuing = chain(domain, NEW)
    leaf.verify_directly_issued_by(issuing)
    now = datetime.fromtimestamp(domain.clock.now_us() // 1_000_000, UTC)
    assert leaf.not_valid_after_utc == now + timedelta(days=30)
    after = everything(domain.folder)
    changed = {name for name in after if before.get(name) != after[name]}
    assert changed == {
        "crl.pem",
        *(str(file.path.relative_to(domain.folder)) for file in listed),
    }


def test_issue_never_overwrites(domain: Domain) -> None:
    before = everything(domain.folder)
    with pytest.raises(ConfigError, match="never overwritten"):
        authority.issue(domain.folder, COLLECTOR, 30, domain.clock)
    assert everything(domain.folder) == before


@pytest.mark.parametrize(
    "uri",
    [
        "spiffe://other.test/auditor/ada",
        f"spiffe://{TRUST_DOMAIN}/auditor/../../../ada",
        f"spiffe://{TRUST_DOMAIN}/king/ada",
        "",
    ],
)
def test_issue_refuses_subjects_outside_the_domain(domain: Domain, uri: str) -> None:
    before = everything(domain.folder)
    with pytest.raises(IdentityError):
        authority.issue(domain.folder, uri, 30, domain.clock)
    assert everything(domain.folder) == before


def test_issue_without_a_domain_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="gateway keys init"):
        authority.issue(tmp_path / "none", NEW, 30, ManualClock())
    with pytest.raises(ConfigError, match="cannot read the CA's certificate"):
        authority.issue(tmp_path, NEW, 30, ManualClock())


def test_names_that_look_like_files_are_two_subjects(domain: Domain) -> None:
    for name in ("ada", "ada.pem", "ada.key"):
        authority.issue(domain.folder, f"spiffe://{TRUST_DOMAIN}/auditor/{name}", 1, domain.clock)


def test_name_too_long_for_the_disk_is_one_sentence(domain: Domain) -> None:
    uri = f"spiffe://{TRUST_DOMAIN}/auditor/" + "a" * 300
    with pytest.raises(ConfigError, match="File name too long"):
        authority.issue(domain.folder, uri, 1, domain.clock)


def test_revocations_add_up_in_a_signed_crl(domain: Domain) -> None:
    public_key = domain.issuer().key.public_key()
    assert list(crl_of(domain)) == []
    serials = set()
    for number, uri in ((2, COLLECTOR), (3, AUDITOR)):
        done = authority.revoke(domain.folder, domain.files(uri)[0], domain.clock)
        serials.add(done.serial)
        assert (done.uri, done.crl_number) == (uri, number)
        assert done.serial == chain(domain, uri)[0].serial_number
    crl = crl_of(domain)
    assert crl.is_signature_valid(public_key)
    assert {entry.serial_number for entry in crl} == serials
    assert stat.S_IMODE(domain.crl.stat().st_mode) == 0o600


def test_issue_forgets_no_revocation(domain: Domain) -> None:
    domain.revoke(COLLECTOR)
    authority.issue(domain.folder, NEW, 1, domain.clock)
    assert [e.serial_number for e in crl_of(domain)] == [chain(domain, COLLECTOR)[0].serial_number]


def test_revocations_at_the_same_time_lose_none(domain: Domain) -> None:
    uris = [COLLECTOR, GATEWAY, *PEOPLE]
    with ThreadPoolExecutor(len(uris)) as pool:
        numbers = list(
            pool.map(
                lambda uri: (
                    authority.revoke(domain.folder, domain.files(uri)[0], domain.clock).crl_number
                ),
                uris,
            )
        )
    assert sorted(numbers) == [2, 3, 4, 5, 6, 7]
    serials = {chain(domain, uri)[0].serial_number for uri in uris}
    assert {entry.serial_number for entry in crl_of(domain)} == serials


def test_revoking_twice_is_refused(domain: Domain) -> None:
    domain.revoke(COLLECTOR)
    before = domain.crl.read_bytes()
    with pytest.raises(IdentityError, match="revoked already"):
        domain.revoke(COLLECTOR)
    assert domain.crl.read_bytes() == before


def test_certificates_of_others_are_not_ours_to_revoke(domain: Domain, tmp_path: Path) -> None:
    other = make_domain(tmp_path / "other")
    with pytest.raises(IdentityError, match="was not issued by"):
        authority.revoke(domain.folder, other.files(COLLECTOR)[0], domain.clock)


def test_broken_or_foreign_crl_is_never_signed_over(domain: Domain, tmp_path: Path) -> None:
    other = make_domain(tmp_path / "other")
    for content, reason in ((b"", "no CRL of ours"), (other.crl.read_bytes(), "not signed by")):
        domain.crl.write_bytes(content)
        with pytest.raises(ConfigError, match=reason):
            domain.revoke(COLLECTOR)
        assert domain.crl.read_bytes() == content


def test_key_of_another_ca_is_refused(domain: Domain, tmp_path: Path) -> None:
    other = make_domain(tmp_path / "other")
    (domain.folder / "issuing-ca.key").write_bytes((other.folder / "issuing-ca.key").read_bytes())
    with pytest.raises(ConfigError, match="is not the key of"):
        authority.issue(domain.folder, NEW, 1, domain.clock)


def test_certificate_without_names_can_be_revoked(domain: Domain, tmp_path: Path) -> None:
    bogus = make_bogus(domain.issuer(), domain.clock, [])
    done = authority.revoke(domain.folder, bogus.write(tmp_path)[0], domain.clock)
    assert (done.uri, done.serial) == ("", bogus.certificate.serial_number)
