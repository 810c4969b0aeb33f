"""Reading what the configuration names: bundle folder, signed floor. Part of composition."""

from gateway.bundles.folder import read_bundle
from gateway.changes.activation import Candidate
from gateway.configuration import GatewayConfig
from gateway.decisions.floor import Floor, parse_rows, read_floor
from gateway.decisions.windows import parse_windows
from gateway.errors import ConfigError, GatewayError
from gateway.transparency.notes import Verifier


def read_candidate(config: GatewayConfig) -> Candidate:
    """Read bundle and floor; raises BundleError and ConfigError."""
    bundle = read_bundle(config.policies.bundle)
    parse_windows(bundle.windows)
    rows = parse_rows(bundle.never_filter, "never_filter rows of the bundle")
    floor_path = config.policies.floor
    if floor_path is None:
        return Candidate(bundle, Floor(None, rows), b"")
    verifiers = floor_verifiers(config)
    floor_file = read_floor(floor_path, config.trust_domain, verifiers)
    return Candidate(bundle, Floor(floor_file, rows), floor_path.read_bytes())


def floor_verifiers(config: GatewayConfig) -> list[Verifier]:
    """The keys that may sign a floor; raises ConfigError."""
    verifiers = []
    for path in config.policies.floor_keys:
        try:
            verifiers.append(Verifier.from_vkey(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, GatewayError) as error:
            raise ConfigError(f"{path}: not a verifier key: {error}") from None
    if not verifiers:
        raise ConfigError("policies.floor_keys: name the keys that may sign policies.floor")
    return verifiers
