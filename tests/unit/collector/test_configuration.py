"""collector.yaml is parsed once; what is wrong is named with its mend."""

from pathlib import Path

import pytest

from collector.configuration import load_configuration, prepare_state
from collector.errors import ConfigError
from gateway.clock import ManualClock
from tests.fakes.gateway import ORIGIN, FakeGateway

VKEY = FakeGateway(ManualClock()).signer.vkey
GOOD = f"""\
gateway: {{url: "https://gateway.test:8443", ca: ca.pem, certificate: c.pem, key: c.key}}
log: {{origin: {ORIGIN}, key: "{VKEY}"}}
state: state
export: {{file: out/points.jsonl}}
interval_seconds: 5
profile: balanced
process_classification:
  phi_processing: {{score: 1.0, patterns: ["^patient-data-service"]}}
overrides:
  - {{process: "payment-gateway-*", force_collect: true, reason: PCI}}
observe: true
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "collector.yaml"
    path.write_text(text)
    return path


def test_a_whole_file_is_read_with_paths_relative_to_it(tmp_path: Path) -> None:
    loaded = load_configuration(write(tmp_path, GOOD))
    assert loaded.gateway.ca == tmp_path / "ca.pem"
    assert loaded.gateway.url == "https://gateway.test:8443"
    assert loaded.log.name == ORIGIN
    assert loaded.interval_seconds == 5.0
    assert loaded.profile.name == "balanced"
    assert [rule.name for rule in loaded.rules] == ["phi_processing"]
    assert loaded.overrides[0].force_collect
    assert loaded.observe
    prepare_state(loaded)
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "out").is_dir()


def test_parts_may_stand_in_files_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "log.vkey").write_text(VKEY + "\n")
    (tmp_path / "classes.yaml").write_text('edge: {score: 0.1, patterns: ["^log-shipper"]}\n')
    head = GOOD.replace(f'"{VKEY}"', "log.vkey").split("process_classification:")[0]
    loaded = load_configuration(write(tmp_path, head + "process_classification: classes.yaml\n"))
    assert loaded.log.vkey == VKEY
    assert loaded.rules[0].name == "edge"
    assert loaded.observe is False


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("interval_seconds: 5", "intervall: 5", "intervall is not a setting; did you mean inter"),
        ("ca: ca.pem", "caa: ca.pem", r"gateway\.caa is not a setting; did you mean ca\?"),
        (", ca: ca.pem", "", r"gateway\.ca is missing"),
        ("https://", "http://", "https://host:port"),
        ("https://gateway", "https://u:p@gateway", "https://host:port"),
        (":8443", ":99999", "https://host:port"),
        ("interval_seconds: 5", "interval_seconds: 0", "interval_seconds must lie between"),
        ("interval_seconds: 5", "interval_seconds: true", "must be a number"),
        ("observe: true", "observe: on", "observe must be true or false"),
        ("profile: balanced", "profile: bold", "profile"),
        ("score: 1.0", "score: 2", r"process_classification\.phi_processing\.score"),
        (f"origin: {ORIGIN}", "origin: another", r"log\.key is the key of"),
        ("state: state", "state: state\nstate: two", "twice"),
        ("state: state", "state: ''", "must be text"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(ConfigError, match=message):
        load_configuration(write(tmp_path, GOOD.replace(old, new)))


@pytest.mark.parametrize("text", ["", "- a\n", "gateway: {url: 3}\n"])
def test_another_document_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError):
        load_configuration(write(tmp_path, text))


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_configuration(tmp_path / "missing.yaml")
    (tmp_path / "collector.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="UTF-8"):
        load_configuration(tmp_path / "collector.yaml")
    text = GOOD.replace(f'"{VKEY}"', "missing.vkey")
    with pytest.raises(ConfigError, match=r"log\.key names .*missing\.vkey"):
        load_configuration(write(tmp_path, text))
