from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.errors import ConfigError
from gateway.identity import authority, certificates
from gateway.identity.authorities import load_authorities
from gateway.identity.certificates import Issuer
from tests.fakes.pki import TRUST_DOMAIN, Domain

BUNDLE = Path("ca.pem")
YEAR = timedelta(days=365)


def pem(issuer: Issuer) -> bytes:
    return issuer.certificate.public_bytes(Encoding.PEM)


def test_order_in_the_bundle_does_not_matter(domain: Domain) -> None:
    root = authority.load_issuer(domain.folder, authority.ROOT)
    issuing = domain.issuer()
    for content in (pem(root) + pem(issuing), pem(issuing) + pem(root)):
        found = {a.name: a for a in load_authorities(content, BUNDLE)}
        above = found[f"CN={TRUST_DOMAIN} root CA"]
        assert above.issuer is None
        assert found[f"CN={TRUST_DOMAIN} issuing CA"].issuer is above


def test_times_are_those_of_the_whole_path(domain: Domain) -> None:
    now = certificates.datetime_of(domain.clock.now_us())
    short = certificates.create_root(TRUST_DOMAIN, now, YEAR)
    issuing = certificates.create_issuing_ca(short, TRUST_DOMAIN, now, 5 * YEAR)
    _, found = load_authorities(pem(issuing) + pem(short), BUNDLE)
    assert found.issuer is not None
    assert found.not_after_us == found.issuer.not_after_us


def test_ca_under_an_issuing_ca_is_refused(domain: Domain) -> None:
    now = certificates.datetime_of(domain.clock.now_us())
    rogue = certificates.create_issuing_ca(domain.issuer(), TRUST_DOMAIN, now, YEAR)
    with pytest.raises(ConfigError, match="leads to no root"):
        load_authorities(domain.ca.read_bytes() + pem(rogue), BUNDLE)


def test_root_of_the_same_name_with_another_key_does_not_lead_there(domain: Domain) -> None:
    now = certificates.datetime_of(domain.clock.now_us())
    namesake = certificates.create_root(TRUST_DOMAIN, now, YEAR)
    with pytest.raises(ConfigError, match="leads to no root"):
        load_authorities(pem(domain.issuer()) + pem(namesake), BUNDLE)
