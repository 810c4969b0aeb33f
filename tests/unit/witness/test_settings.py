"""witness.yaml, and the folder that `gateway witness init` makes."""

from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.transparency.cosignature import CosignatureVerifier
from gateway.witness.settings import create_witness, load_witness, read_cosigner, read_logs
from tests.unit.transparency.logs import SIGNER, make_signer

NAME = "witness.example/w1"


def test_what_is_made_can_be_served(tmp_path: Path) -> None:
    folder = tmp_path / "w1"
    (tmp_path / "log.vkey").write_text(SIGNER.vkey + "\n")
    made = create_witness(folder, NAME, [str(tmp_path / "log.vkey")])
    config = load_witness(folder / "witness.yaml")
    assert read_cosigner(config).verifier == made
    assert CosignatureVerifier.from_vkey((folder / "witness.vkey").read_text()) == made
    assert read_logs(config.logs, folder) == {SIGNER.name: (SIGNER.verifier,)}
    assert config.listen.host == "127.0.0.1"
    assert config.state.is_dir()
    assert (folder / "witness.key").stat().st_mode & 0o777 == 0o600


def test_nothing_is_made_over_what_is_there(tmp_path: Path) -> None:
    create_witness(tmp_path / "w1", NAME, [SIGNER.vkey])
    with pytest.raises(ConfigError, match="never overwritten"):
        create_witness(tmp_path / "w1", NAME, [SIGNER.vkey])


def test_two_keys_of_one_name_are_one_log_s(tmp_path: Path) -> None:
    newer = make_signer(2)
    logs = read_logs([SIGNER.vkey, newer.vkey], tmp_path)
    assert logs == {SIGNER.name: (SIGNER.verifier, newer.verifier)}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("host: 127.0.0.1", "host: 0.0.0.0"), "at listen.host: 0.0.0.0"),
        (("port: 8470", "port: 99999"), "at listen.port"),
        (("state: state", "stat: state"), "unknown field `stat`"),
        (("state: state", "stat: state"), "; see docs/operations.md, Witnesses and timestamps"),
        (("logs:\n", "logs: []\nx:\n"), "at "),
        (('name: "witness.example/w1"', "name: [1]"), "at name"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, change: tuple[str, str], told: str) -> None:
    create_witness(tmp_path / "w1", NAME, [SIGNER.vkey])
    path = tmp_path / "w1" / "witness.yaml"
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(ConfigError, match=told):
        load_witness(path)


def test_a_wrong_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not a log's key"):
        read_logs([make_signer(1).vkey.replace("+A", "+B")], tmp_path)
    with pytest.raises(ConfigError, match=r"missing\.vkey"):
        read_logs(["missing.vkey"], tmp_path)
    create_witness(tmp_path / "w1", NAME, [SIGNER.vkey])
    config = load_witness(tmp_path / "w1" / "witness.yaml")
    config.key.write_text("no key")
    with pytest.raises(ConfigError, match="witness init"):
        read_cosigner(config)
