"""The demo's folder: keys, people, configurations, the signed floor and bundle."""

import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

import gateway
from gateway.bundles.build import build_bundle
from gateway.bundles.keys import keyid_of, read_private_key
from gateway.clock import Clock
from gateway.decisions.floor import floor_text, parse_rows
from gateway.errors import ConfigError
from gateway.identity.authority import create_domain, issue, subject_files
from gateway.transparency.notes import Signer, sign_note

TRUST_DOMAIN = "demo.example"
REGION = "eu-west-1"
ORIGIN = f"{TRUST_DOMAIN}/log/{REGION}"
MARKER = ".made-by-gateway-demo"
COLLECTOR = f"spiffe://{TRUST_DOMAIN}/collector/production/{REGION}/collector-1"
OPERATOR = f"spiffe://{TRUST_DOMAIN}/operator"
PEOPLE = {"alice": "author", "bob": "approver", "carol": "auditor"}

_PERSON_DAYS = 90
_FLOOR_ROWS = [
    {
        "id": "demo-ledger",
        "regex": "^general-ledger",
        "control": "SOX/404",
        "reason": "the bank's general ledger",
    }
]

_CLASSIFICATION = """\
process_classification:
  edge_critical:
    score: 1.0
    patterns: ["^plc-controller", "^safety-monitor", "^edge-ml-processor"]
  edge_optional:
    score: 0.1
    patterns: ["^update-agent", "^log-shipper", "^backup-service"]
  kernel_threads:
    score: 0.1
    patterns:
      ["^kworker/", "^ksoftirqd/", "^cpuhp/", "^migration/", "^irq/", "^rcu", "^scsi_", "^jbd2/"]
  demo_wrongly_optional:   # an optimiser's mistake: the gateway must not let it through
    score: 0.1
    patterns: ["^payment-gateway-", "^patient-data-service", "^customer-data-processor"]
overrides:
  - process: "demo-override-*"
    force_collect: true
    reason: "kept whatever the profile says"
"""


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where everything lies."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        """The gateway's address."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def gateway_yaml(self) -> Path:
        """The gateway's configuration."""
        return self.folder / "gateway.yaml"

    @property
    def collector_yaml(self) -> Path:
        """The collector's configuration."""
        return self.folder / "collector.yaml"

    @property
    def database(self) -> Path:
        """The log."""
        return self.folder / "log.db"

    @property
    def archive(self) -> Path:
        """Where the log is kept besides."""
        return self.folder / "archive"

    @property
    def checkpoint(self) -> Path:
        """The newest checkpoint that the collector has seen: the auditor's outside anchor."""
        return self.folder / "collector" / "checkpoint"

    @property
    def log_key(self) -> Path:
        """The log's public key."""
        return self.folder / "keys" / "checkpoint.vkey"

    def subject(self, uri: str) -> tuple[Path, Path]:
        """Certificate chain and key of a subject."""
        return subject_files(self.folder / "keys", uri, TRUST_DOMAIN)


def make_workplace(folder: Path, clock: Clock) -> Workplace:
    """Remove an earlier demo and make a new one; raises ConfigError for a folder of someone's."""
    if folder.exists():
        if any(folder.iterdir()) and not (folder / MARKER).exists():
            raise ConfigError(f"{folder} was not made by the demo; name another with --folder")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, mode=0o700)
    (folder / MARKER).touch()
    workplace = Workplace(folder.resolve(), _free_port())
    create_domain(
        workplace.folder / "keys",
        TRUST_DOMAIN,
        ("localhost", "127.0.0.1"),
        clock,
        region=REGION,
        environment="production",
        origin=ORIGIN,
    )
    _sign_floor(workplace)
    build_policies(workplace, source_root() / "policies")
    _write_configurations(workplace)
    _add_people(workplace, clock)
    return workplace


def source_root() -> Path:
    """The folder that holds `policies/` and `.parts/`: the checkout or image this runs from."""
    return Path(gateway.__file__).resolve().parent.parent


def find_opa() -> Path:
    """The OPA that set-up made; raises ConfigError."""
    beside = source_root() / ".parts" / "bin" / "opa"
    found = beside if beside.exists() else shutil.which("opa")
    if found is None:
        raise ConfigError(
            "no OPA: run `make demo`, which builds it, or `python3 deploy/parts.py opa`"
        )
    return Path(found)


def build_policies(workplace: Workplace, folder: Path) -> None:
    """Build and sign the bundle that the workplace's gateway begins with."""
    key = read_private_key(workplace.folder / "keys" / "bundle.key")
    archive = build_bundle(folder, key, keyid_of(key.public_key()))
    (workplace.folder / "bundle.tar.gz").write_bytes(archive)


def _sign_floor(workplace: Workplace) -> None:
    key = load_pem_private_key((workplace.folder / "keys" / "floor.key").read_bytes(), None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError("the floor's key is not Ed25519")
    text = floor_text(TRUST_DOMAIN, 1, parse_rows(_FLOOR_ROWS, "the demo's floor"))
    note = sign_note(text, [Signer(f"{TRUST_DOMAIN}/floor", key)])
    (workplace.folder / "floor.note").write_text(note, encoding="utf-8")


def _write_configurations(workplace: Workplace) -> None:
    own = f"spiffe://{TRUST_DOMAIN}/gateway/gateway-1"
    certificate, key = (path.relative_to(workplace.folder) for path in workplace.subject(own))
    workplace.gateway_yaml.write_text(
        f"""\
# The demo's gateway: `gateway serve --config {workplace.folder.name}/gateway.yaml`
trust_domain: {TRUST_DOMAIN}
listen: {{host: 127.0.0.1, port: {workplace.port}}}
tls:
  certificate: {certificate}
  key: {key}
  ca: keys/ca.pem
  crl: keys/crl.pem
log:
  origin: {ORIGIN}
  region: {REGION}
  database: sqlite:///log.db
  checkpoint_key: keys/checkpoint.key
  hearing_seconds: 0   # made just now: nobody can have seen more of this log
# Each ten seconds what was signed since goes there as well; in earnest, to another machine.
archive: {{folder: archive, region: {REGION}, interval_seconds: 10}}
policies:
  bundle: bundle.tar.gz
  bundle_keys: [keys/bundle.pub]
  floor: floor.note
  floor_keys: [keys/floor.vkey]
engine:
  opa: "{find_opa()}"
key_service:
  age_identity: keys/age.txt
# An approved bundle reaches a fifth of the collectors, then all; in seconds, for the demo.
rollout: {{share_permille: 200, dwell_seconds: 3, min_evaluated: 0}}
""",
        encoding="utf-8",
    )
    certificate, key = (path.relative_to(workplace.folder) for path in workplace.subject(COLLECTOR))
    workplace.collector_yaml.write_text(
        f"""\
# The demo's collector: `collector run --config {workplace.folder.name}/collector.yaml --once`
gateway:
  url: {workplace.url}
  ca: keys/ca.pem
  certificate: {certificate}
  key: {key}
log:
  origin: {ORIGIN}
  key: keys/checkpoint.vkey
state: collector
export: {{file: points.jsonl}}
profile: balanced
{_CLASSIFICATION}""",
        encoding="utf-8",
    )


def _add_people(workplace: Workplace, clock: Clock) -> None:
    """An author, an approver and an auditor, each with the file that says who they are."""
    folder = workplace.folder / "people"
    folder.mkdir(mode=0o700)
    for name, role in PEOPLE.items():
        uri = f"spiffe://{TRUST_DOMAIN}/{role}/{name}"
        issue(workplace.folder / "keys", uri, _PERSON_DAYS, clock)
        certificate, key = (path.relative_to(workplace.folder) for path in workplace.subject(uri))
        (folder / f"{name}.yaml").write_text(
            f"""\
# {name.capitalize()}, an {role}, to this gateway: `gateway change list --person FILE`
gateway: {workplace.url}
certificate: ../{certificate}
key: ../{key}
ca: ../keys/ca.pem
""",
            encoding="utf-8",
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
