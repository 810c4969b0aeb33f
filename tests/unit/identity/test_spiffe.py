import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import IdentityError
from gateway.identity.spiffe import parse_subject, subject_of_certificate, verify_trust_domain
from gateway.identity.subject import Role, Subject
from tests.fakes.pki import COLLECTOR, TRUST_DOMAIN, Domain, make_bogus

URI = x509.UniformResourceIdentifier


def test_collector_has_environment_region_and_id() -> None:
    assert parse_subject(COLLECTOR, TRUST_DOMAIN) == Subject(
        uri=COLLECTOR,
        trust_domain=TRUST_DOMAIN,
        role=Role.COLLECTOR,
        name="collector-1",
        environment="production",
        region="eu-west-1",
    )


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.COLLECTOR])
def test_others_have_a_name_alone(role: Role) -> None:
    uri = f"spiffe://bank.test/{role}/Ada.L_1-x"
    assert parse_subject(uri, TRUST_DOMAIN) == Subject(uri, TRUST_DOMAIN, role, "Ada.L_1-x")


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "spiffe://",
        "spiffe://bank.test",
        "spiffe://bank.test/",
        "https://bank.test/auditor/ada",
        "SPIFFE://bank.test/auditor/ada",
        " spiffe://bank.test/auditor/ada",
        "spiffe://bank.test/auditor/ada\n",
        "spiffe:/bank.test/auditor/ada",
        "spiffe:///auditor/ada",
        # other domains, look-alikes among them
        "spiffe://Bank.test/auditor/ada",
        "spiffe://BANK.TEST/auditor/ada",
        "spiffe://bank.test.evil.test/auditor/ada",
        "spiffe://evil-bank.test/auditor/ada",
        "spiffe://evil.bank.test/auditor/ada",
        "spiffe://bank.tes/auditor/ada",
        "spiffe://bankxtest/auditor/ada",
        "spiffe://bаnk.test/auditor/ada",  # noqa: RUF001 - a Cyrillic letter
        "spiffe://bank.test./auditor/ada",
        "spiffe://bank.test:443/auditor/ada",
        "spiffe://bank.test:/auditor/ada",
        "spiffe://ada@bank.test/auditor/ada",
        "spiffe://@bank.test/auditor/ada",
        "spiffe://evil.test/spiffe://bank.test/auditor/ada",
        # paths
        "spiffe://bank.test//auditor/ada",
        "spiffe://bank.test/auditor//ada",
        "spiffe://bank.test/auditor/ada/",
        "spiffe://bank.test/auditor/./ada",
        "spiffe://bank.test/auditor/../ada",
        "spiffe://bank.test/auditor/.",
        "spiffe://bank.test/auditor/..",
        "spiffe://bank.test/auditor/",
        "spiffe://bank.test/auditor/%61da",
        "spiffe://bank.test/%61uditor/ada",
        "spiffe://bank.test/auditor/ada?x=1",
        "spiffe://bank.test/auditor/ada#x",
        "spiffe://bank.test/auditor/a da",
        "spiffe://bank.test/auditor/ada\x00",
        "spiffe://bank.test/auditor/ad\u00e1",
        "spiffe://bank.test/auditor/ada\u0661",  # a digit, but not an ASCII one
        "spiffe://bank.test/auditor\\ada",
        # roles and segments
        "spiffe://bank.test/auditor",
        "spiffe://bank.test/auditor/ada/extra",
        "spiffe://bank.test/auditor/eu/production/ada",
        "spiffe://bank.test/collector/collector-1",
        "spiffe://bank.test/collector/production/eu-west-1",
        "spiffe://bank.test/collector/production/eu-west-1/collector-1/extra",
        "spiffe://bank.test/collector/production//collector-1",
        "spiffe://bank.test/Auditor/ada",
        "spiffe://bank.test/root/ada",
        "spiffe://bank.test/ada/auditor",
        "spiffe://bank.test/auditor/" + "a" * 2048,
    ],
)
def test_every_other_uri_is_refused(uri: str) -> None:
    with pytest.raises(IdentityError):
        parse_subject(uri, TRUST_DOMAIN)


def test_2048_bytes_are_the_most() -> None:
    longest = "spiffe://bank.test/auditor/".ljust(2048, "a")
    assert parse_subject(longest, TRUST_DOMAIN).uri == longest
    with pytest.raises(IdentityError, match="longer than 2048"):
        parse_subject(longest + "a", TRUST_DOMAIN)


segments = st.from_regex(r"\A[A-Za-z0-9._-]{1,20}\Z").filter(lambda s: s not in (".", ".."))
domains = st.from_regex(r"\A[a-z0-9_-]{1,10}(\.[a-z0-9_-]{1,10}){0,3}\Z")


@given(domains, segments, segments, segments)
def test_accepted_uris_are_rebuilt_from_their_parts(
    domain: str, environment: str, region: str, name: str
) -> None:
    verify_trust_domain(domain)
    subject = parse_subject(f"spiffe://{domain}/collector/{environment}/{region}/{name}", domain)
    assert (subject.environment, subject.region, subject.name) == (environment, region, name)


@given(
    st.text(max_size=60),
    st.sampled_from(["", "spiffe://bank.test/", "spiffe://bank.test/auditor/"]),
)
def test_any_text_is_refused_or_comes_back_byte_for_byte(text: str, prefix: str) -> None:
    uri = prefix + text
    try:
        subject = parse_subject(uri, TRUST_DOMAIN)
    except IdentityError:
        return
    place = f"{subject.environment}/{subject.region}/" if subject.environment else ""
    rebuilt = f"spiffe://{subject.trust_domain}/{subject.role}/{place}{subject.name}"
    assert uri == subject.uri == rebuilt
    assert uri.isascii()


@pytest.mark.parametrize(
    "domain",
    ["", "Bank.test", "bank.test.", ".bank.test", "bank..test", "bank test", "bank:1", "bánk",
     "b/c", "bank.test\n", "a" * 256],
)  # fmt: skip
def test_bad_trust_domains_are_refused(domain: str) -> None:
    with pytest.raises(IdentityError):
        verify_trust_domain(domain)


def test_certificate_with_one_uri_is_its_subject(domain: Domain) -> None:
    certificate = x509.load_der_x509_certificate(domain.der())
    assert subject_of_certificate(certificate, TRUST_DOMAIN).uri == COLLECTOR


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ([], "no subject alternative name"),
        ([x509.DNSName("localhost")], "0 URI names"),
        ([URI(COLLECTOR), URI("spiffe://bank.test/auditor/ada")], "2 URI names"),
        ([URI(COLLECTOR), URI(COLLECTOR)], "2 URI names"),
        ([URI(COLLECTOR), URI("https://bank.test/")], "2 URI names"),
        ([URI("spiffe://evil.test/auditor/ada")], "not of the trust domain"),
        ([x509.RFC822Name("ada@bank.test")], "0 URI names"),
    ],
)
def test_certificates_without_exactly_one_good_uri_are_refused(
    domain: Domain, names: list[x509.GeneralName], reason: str
) -> None:
    bogus = make_bogus(domain.issuer(), domain.clock, names)
    with pytest.raises(IdentityError, match=reason):
        subject_of_certificate(bogus.certificate, TRUST_DOMAIN)


def test_dns_names_beside_the_uri_count_for_nothing(domain: Domain) -> None:
    bogus = make_bogus(domain.issuer(), domain.clock, [x509.DNSName("auditor"), URI(COLLECTOR)])
    assert subject_of_certificate(bogus.certificate, TRUST_DOMAIN).uri == COLLECTOR
