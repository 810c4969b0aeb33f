"""What `gateway config check` reads, and what it says of what cannot be used."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from gateway.clock import SystemClock
from gateway.configuration import load_configuration
from gateway.errors import ConfigError
from gateway.keys_cli import keys_app
from gateway.prerequisites import verify_prerequisites

ORIGIN = "example.org/log/eu-west-1"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("domain") / "keys"
    made = CliRunner().invoke(
        keys_app, ["init", str(folder), "--trust-domain", "example.org", "--origin", ORIGIN]
    )
    assert made.exit_code == 0, made.output
    return folder


def check(keys: Path, folder: Path, setting: Sequence[str], value: object) -> None:
    """Check a good gateway.yaml in `folder` in which `setting` is `value`."""
    subject = keys / "subjects/gateway/gateway-1"
    whole: dict[str, object] = {
        "trust_domain": "example.org",
        "tls": {
            "certificate": f"{subject}.pem",
            "key": f"{subject}.key",
            "ca": str(keys / "ca.pem"),
            "crl": str(keys / "crl.pem"),
        },
        "log": {
            "origin": ORIGIN,
            "database": "sqlite:///log.db",
            "checkpoint_key": str(keys / "checkpoint.key"),
        },
        "policies": {"bundle": "bundle.tar.gz", "bundle_keys": []},
        "key_service": {"age_identity": str(keys / "age.txt")},
        "engine": {"opa": sys.executable},
    }
    place: dict[str, object] = whole
    for name in setting[:-1]:
        inner = place.setdefault(name, {})
        assert isinstance(inner, dict)
        place = inner
    place[setting[-1]] = value
    (folder / "bad").write_text("neither a key nor a note\n")
    (folder / "other.note").write_text("example.org/other\n0\n" + "A" * 43 + "=\n\n— x AAAAAAA=\n")
    path = folder / "gateway.yaml"
    path.write_text(yaml.safe_dump(whole))
    asyncio.run(verify_prerequisites(load_configuration(path), path, SystemClock()))


def test_what_is_good_passes_and_nothing_is_made(keys: Path, tmp_path: Path) -> None:
    check(keys, tmp_path, ["backup"], {"folder": "backups"})
    assert {path.name for path in tmp_path.iterdir()} == {"bad", "gateway.yaml", "other.note"}


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("tls.crl", "bad", "bad"),
        ("trust_domain", "example.net", "no certificate of ours"),
        ("log.database", "mysql://u:hidden@h/d", "'mysql' is not supported"),
        ("log.next_checkpoint_key", "bad", "checkpoint key cannot be read"),
        ("log.succession_keys", ["absent"], "at log.succession_keys: .*absent: No such file"),
        ("log.succession_keys", ["bad"], "at log.succession_keys: .*bad: no key of a person"),
        ("log.kept_checkpoints", ["absent"], "at log.kept_checkpoints: .*absent: No such file"),
        ("log.kept_checkpoints", ["bad"], "at log.kept_checkpoints: .*bad: no checkpoint"),
        ("log.kept_checkpoints", ["other.note"], "checkpoint of log example.org/other, not of"),
        ("key_service.age_identity", "absent", "cannot read the age identity file"),
        ("engine", {}, r"at engine.opa: .*/.parts/bin/opa: there is no such prog"),
        ("engine.opa", "absent", "at engine.opa: .*absent: there is no such program"),
        ("engine.opa", "bad", "at engine.opa: .*bad: it may not be run"),
        ("archive.folder", "bad", "at archive.folder: .*bad is no folder"),
        ("backup.folder", "bad", "at backup.folder: .*bad is no folder"),
        ("log.allowed_regions", ["eu-west-1"], "log.region is missing"),
        ("notices.webhooks", ["http://example.org/hidden"], "at notices.webhooks"),
        ("notices.key", "absent", "at notices.key"),
        ("notices.ca", "bad", "at notices.ca"),
        ("witnesses.policy", "bad", "at witnesses.policy: .*line 1"),
        ("timestamps", {"url": "ftp://a", "ca": "bad"}, "bad: holds no PEM certificates"),
    ],
)
def test_what_cannot_be_used_is_named(
    keys: Path, tmp_path: Path, setting: str, value: object, told: str
) -> None:
    with pytest.raises(ConfigError, match=told) as refused:
        check(keys, tmp_path, setting.split("."), value)
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize("url", ["ftp://authority.example", "http://a:port", "http://a:b@c"])
def test_an_authority_s_address_is_read(keys: Path, tmp_path: Path, url: str) -> None:
    timestamps = {"url": url, "ca": str(keys / "ca.pem")}
    with pytest.raises(ConfigError, match=r"at timestamps.url: not an http or https address"):
        check(keys, tmp_path, ["timestamps"], timestamps)


def test_the_witnesses_ca_is_read(keys: Path, tmp_path: Path) -> None:
    (tmp_path / "policy").write_text("quorum none\n")
    check(keys, tmp_path, ["witnesses"], {"policy": "policy"})
    with pytest.raises(ConfigError, match=r"at witnesses.ca: .*bad holds no PEM certificates"):
        check(keys, tmp_path, ["witnesses"], {"policy": "policy", "ca": "bad"})
