"""Small bundles for tests. The policies of `MISCHIEF` misbehave for classes of certain names."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.bundles.archive import pack_archive
from gateway.bundles.folder import Bundle, hash_files, parse_bundle
from gateway.bundles.keys import BundleKey
from gateway.bundles.manifest import read_manifest
from gateway.bundles.signatures import sign_files

OPA = Path(__file__).parents[2] / ".parts" / "bin" / "opa"

DATA = b"""\
class:
  attributes: [process.executable.name, service.name]
  score_edges: [250, 500, 750, 900, 1000]
windows:
  windows:
    - {name: trading-hours, zone: America/New_York, days: [mon], from: "09:00", to: "18:00"}
pci:
  never_filter:
    - {id: pci-payments, glob: "payment-*", control: PCI-DSS-4.0.1/10.2.1, reason: cardholder data}
"""

MISCHIEF = b"""\
package main

verdicts := [verdict |
	some proposal in input.proposals
	some verdict in _verdicts(proposal, object.get(proposal.process, "process.executable.name", ""))
]

_verdicts(proposal, "missing") := [] if proposal.ref

_verdicts(proposal, "twice") := [_permit(proposal), _permit(proposal)]

_verdicts(proposal, "extra") := [_permit(proposal), object.union(_permit(proposal), {"ref": "1"})]

_verdicts(proposal, "builtin-error") := [_permit(proposal)] if to_number(proposal.profile) > 0

_verdicts(proposal, "loop") := [_permit(proposal)] if {
	count([1 |
		some x in numbers.range(1, 100000)
		some y in numbers.range(1, 100000)
		x * y == 0
	]) == 0
}

_verdicts(proposal, "conflict") := [_permit(proposal)] if proposal.ref

_verdicts(proposal, "conflict") := [] if proposal.ref

_verdicts(proposal, "unknown-decision") := [object.union(_permit(proposal), {"decision": "allow"})]

_verdicts(proposal, "weaker") := [object.union(_permit(proposal), {
	"decision": "protect",
	"action": "drop",
	"sample_permille": 0,
})]

_verdicts(proposal, name) := [object.union(_permit(proposal), {
	"decision": "protect",
	"action": "keep",
	"sample_permille": 1000,
	"reasons": [{
		"control": "PCI-DSS-4.0.1/10.2.1",
		"rule": "rules.pci",
		"level": "hard",
		"message": sprintf("%s in %v", [name, input.context.time.windows]),
		"remediation": "none",
	}],
	"obligations": [
		{"type": "no_sampling"},
		{"type": "retain_days", "at_least": 365, "at_hand": 90},
	],
})] if {
	startswith(name, "payment-")
}

_verdicts(proposal, name) := [_permit(proposal)] if {
	not startswith(name, "payment-")
	not name in {
		"missing", "twice", "extra", "builtin-error", "loop",
		"conflict", "unknown-decision", "weaker",
	}
}

_permit(proposal) := {
	"ref": proposal.ref,
	"decision": "permit",
	"action": proposal.action,
	"sample_permille": proposal.sample_permille,
	"reasons": [],
	"obligations": [],
}
"""

MISCHIEF_TEST = b"""\
package main.main_test

import data.main

test_protects_payments if {
	proposal := {
		"ref": "0",
		"process": {"process.executable.name": "payment-gateway-1"},
		"action": "drop",
		"sample_permille": 0,
	}
	verdicts := main.verdicts with input as {
		"context": {"time": {"windows": []}},
		"proposals": [proposal],
	}
	verdicts[0].decision == "protect"
}
"""


def bundle_files(rego: bytes = MISCHIEF, version: int = 1) -> dict[str, bytes]:
    """Every file of a small bundle, without capabilities (those come from the real OPA)."""
    manifest = {"revision": "", "roots": ["main", "data"], "metadata": {"version": version}}
    return {
        ".manifest": json.dumps(manifest).encode(),
        "data/data.yaml": DATA,
        "main/main.rego": rego,
        "main/main_test.rego": MISCHIEF_TEST,
    }


def small_bundle(rego: bytes = MISCHIEF, version: int = 1) -> Bundle:
    """A bundle whose policies are `rego`."""
    return parse_bundle(bundle_files(rego, version))


def real_opa() -> Path:
    """The pinned OPA; a test that needs it fails, never passes, where it is absent."""
    if not OPA.exists():
        pytest.fail("OPA is not in .parts/bin: run `python3 deploy/parts.py opa`")
    return OPA.resolve()


# Scalars that anybody knows: keys of tests alone.
AUTHOR_KEY = ec.derive_private_key(0xA07408, ec.SECP256R1())
OTHER_KEY = ec.derive_private_key(0x07E8, ec.SECP256R1())
KEYS = (BundleKey("author", AUTHOR_KEY.public_key()), BundleKey("other", OTHER_KEY.public_key()))


def sign_raw(
    files: Mapping[str, bytes],
    bundle_hash: str | None = None,
    keyid: str = "author",
    key: ec.EllipticCurvePrivateKey = AUTHOR_KEY,
) -> dict[str, bytes]:
    """The files with a well-made signature over them, whether or not they make a good bundle. The
    manifest's revision is left as it is."""
    manifest = read_manifest(files[".manifest"]).with_revision("")
    signed_hash = bundle_hash or hash_files({**files, ".manifest": manifest})
    return {**files, ".signatures.json": sign_files(files, signed_hash, keyid, key)}


def revised(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files with the manifest's revision filled in, as a built archive has them."""
    manifest = read_manifest(files[".manifest"])
    bundle_hash = hash_files({**files, ".manifest": manifest.with_revision("")})
    revision = f"{manifest.version}-{bundle_hash[:16]}"
    return {**files, ".manifest": manifest.with_revision(revision)}


def signed_archive(version: int = 1, rego: bytes = MISCHIEF) -> bytes:
    """The small bundle, built and signed by `AUTHOR_KEY` under the name `author`."""
    return pack_archive(sign_raw(revised(bundle_files(rego, version))))
