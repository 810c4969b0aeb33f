"""gateway.yaml, parsed once into frozen types. Paths are relative to the file."""

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec.structs import replace

from gateway.errors import ConfigError
from gateway.wire.documents import load_yaml

Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Positive = Annotated[int, msgspec.Meta(gt=0)]
Permille = Annotated[int, msgspec.Meta(ge=1, le=1000)]
Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{1,128}$")]
BundleName = Name


class Listen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where to listen; loopback unless told."""

    host: str = "127.0.0.1"
    port: Port = 8443


class Tls(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The gateway's certificate chain and key, the CAs of its clients, their CRL."""

    certificate: Path
    key: Path
    ca: Path
    crl: Path | None = None


class LogConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The log's name, database URL (`sqlite:///relative.db`) and checkpoint signing key, and the
    one that the log may be handed over to; the region where it lives and those where copies of it
    may be (empty: its own alone); checkpoints of it that are kept elsewhere, held against it at
    each start; for how long after a start collectors are listened to before anything is signed."""

    origin: str
    database: str
    checkpoint_key: Path
    next_checkpoint_key: Path | None = None
    region: str = ""
    allowed_regions: tuple[Name, ...] = ()
    kept_checkpoints: tuple[Path, ...] = ()
    hearing_seconds: Annotated[float, msgspec.Meta(ge=0, le=600)] = 15
    succession_keys: tuple[Path, ...] = ()


class Policies(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The signed bundle that a new log begins with (later ones come through the change queue), the
    keys that may sign bundles, the signed floor file and the keys that may sign it. `name` is what
    OPA servers know the bundle as; `sealed_engines` are the SPIFFE ids of those that are given its
    sealed data."""

    bundle: Path
    bundle_keys: tuple[Path, ...]
    name: BundleName = "policies"
    sealed_engines: tuple[str, ...] = ()
    floor: Path | None = None
    floor_keys: tuple[Path, ...] = ()
    max_age_days: Annotated[int, msgspec.Meta(ge=1, le=366)] = 90


class RemoteEngine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """OPA servers of the user's: their addresses (`https://host:port`), their CA, and the client
    certificate that they know this gateway by. They fetch the bundle from this gateway; `others`
    are bundles of their own that may be there too."""

    servers: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    ca: Path
    certificate: Path
    key: Path
    others: tuple[Name, ...] = ()
    switch_seconds: Positive = 60


class EngineConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The OPA program and how long one evaluation may take; `remote` asks servers of the user's
    instead of a supervised one (which still runs for candidates)."""

    opa: Path = Path(".parts/bin/opa")
    timeout_ms: Positive = 2000
    remote: RemoteEngine | None = None


class RolloutConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How an approved bundle reaches collectors: environments in order, then the last one's
    regions in order; each step for `share_permille` of the collectors first, each for at least
    `dwell_seconds` and until `min_evaluated` classes were compared there."""

    environments: tuple[Name, ...] = ()
    regions: tuple[Name, ...] = ()
    share_permille: Permille = 200
    dwell_seconds: Annotated[int, msgspec.Meta(ge=0)] = 600
    min_evaluated: Annotated[int, msgspec.Meta(ge=0)] = 20


class NoticesConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where people are told that something waits for them: https addresses, the key file that
    signs each message."""

    webhooks: tuple[str, ...] = ()
    key: Path | None = None
    ca: Path | None = None


class KeyServiceConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The age identity file that wraps the log's payload keys."""

    age_identity: Path


class S3Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A bucket with Object Lock. Credentials come from boto3's own chain or the named profile of
    its files, never from here."""

    bucket: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
    region: Name
    prefix: Annotated[str, msgspec.Meta(pattern=r"^([A-Za-z0-9._=~-]+(/[A-Za-z0-9._=~-]+)*)?$")] = (
        ""
    )
    endpoint: Annotated[str, msgspec.Meta(pattern=r"^(https?://[A-Za-z0-9.:\[\]-]+/?)?$")] = ""
    profile: str = ""


class ArchiveConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where what was signed is kept besides: in a folder, or in S3; the region of that place; how
    often the newest entries go there, and how many make a segment."""

    folder: Path | None = None
    s3: S3Config | None = None
    region: str = ""
    interval_seconds: Positive = 60
    segment_entries: Annotated[int, msgspec.Meta(ge=1, le=65_536)] = 16_384

    def __post_init__(self) -> None:
        if (self.folder is None) == (self.s3 is None):
            raise ValueError("An archive is either a folder or s3")


class ReplicaConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A copy of the database that others keep: named here so that its region is checked."""

    name: Name
    region: Name


class BackupConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where `gateway backup` writes, and the region of that place."""

    folder: Path
    region: str = ""


class WitnessConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a witness of the policy is, when its line there does not say so."""

    name: str
    url: str


class WitnessesConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who cosigns the log's checkpoints: a tlog-policy file, the witnesses' addresses where it has
    none, how often at most they are asked, and the CA of their servers."""

    policy: Path
    addresses: tuple[WitnessConfig, ...] = ()
    interval_seconds: Positive = 10
    ca: Path | None = None


class TimestampsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An RFC 3161 authority over http or https, the CA that its tokens must lead to, and how often
    a checkpoint is stamped."""

    url: str
    ca: Path
    interval_seconds: Positive = 3600


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one request may cost."""

    body_bytes: Positive = 2 * 1024 * 1024
    body_timeout_seconds: Positive = 10


class PayloadRetention(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Payloads of this region and retention class are kept for `days` after their month's end; in
    both names `*` stands for any text."""

    days: Positive
    region: str = "*"
    retention_class: str = "*"


class RetentionConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long entries and payloads are kept; of `payloads` the first that matches counts, and
    what none matches stays."""

    entries_years: Annotated[int, msgspec.Meta(ge=1, le=100)] = 7
    payloads: tuple[PayloadRetention, ...] = (
        PayloadRetention(retention_class="pci", days=366),
        PayloadRetention(retention_class="hipaa", days=2192),
        PayloadRetention(region="eu-*", retention_class="gdpr", days=30),
        PayloadRetention(region="eu-*", retention_class="telemetry", days=30),
        PayloadRetention(days=2557),
    )


class GatewayConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of gateway.yaml."""

    trust_domain: str
    tls: Tls
    log: LogConfig
    policies: Policies
    key_service: KeyServiceConfig
    listen: Listen = Listen()
    engine: EngineConfig = EngineConfig()
    limits: Limits = Limits()
    rollout: RolloutConfig = RolloutConfig()
    notices: NoticesConfig = NoticesConfig()
    retention: RetentionConfig = RetentionConfig()
    archive: ArchiveConfig | None = None
    replicas: tuple[ReplicaConfig, ...] = ()
    backup: BackupConfig | None = None
    witnesses: WitnessesConfig | None = None
    timestamps: TimestampsConfig | None = None


def load_configuration(path: Path) -> GatewayConfig:
    """Read gateway.yaml; raises ConfigError that names the setting."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConfigError(f"{path}: cannot be read: {reason}") from None
    value = load_yaml(text, str(path))
    base = path.parent.resolve()
    try:
        read = msgspec.convert(value, GatewayConfig, dec_hook=lambda kind, item: _path(base, item))
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {_sentence(error)}") from None
    # The default never passed the hook; what is run must not depend on where one stands.
    return replace(read, engine=replace(read.engine, opa=base / read.engine.opa))


def database_url(config: GatewayConfig, config_path: Path) -> str:
    """The database's URL, a relative SQLite path made absolute beside the configuration file."""
    prefix = "sqlite:///"
    url = config.log.database
    if url.startswith(prefix) and not url.startswith(prefix + "/"):
        return prefix + str(config_path.parent.resolve() / url.removeprefix(prefix))
    return url


def _path(base: Path, item: object) -> Path:
    if not isinstance(item, str) or not item:
        raise ValueError("expected a path")
    return base / item


def _sentence(error: msgspec.ValidationError) -> str:
    message, _, place = str(error).partition(" - at `$")
    place = place.rstrip("`").lstrip(".") or "the top level"
    return (
        f"at {place}: {message[0].lower()}{message[1:]}; see docs/operations.md for every setting"
    )
