"""What the real sops seals with age is read here, value by value, and so is what it refuses."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.sealed.age import AgeKeyService
from gateway.sealed.sops import SopsError, open_sops
from gateway.wire.documents import load_yaml
from tests.fakes.sops import IDENTITY, seal_sops
from tests.interop.programs import part, run, said
from tests.interop.test_age import make_identity

PLAIN = """\
# rows that nobody may read
never_filter:
    # inside a list
    - id: one
      glob: "zephyr-ledger-*" # beside a value
      rank: 7
      share: 0.25
      large: 1e21
      small: 1.5e-7
      whole: 3.0
      minus: -12
      live: true
      dead: false
      note: ""
      by: null
    - {id: two, regex: '^quartz\\d+ "é" 漢'}
names:
    # first
    - a
    # middle
    - "on"
    - "12:30"
    # last
empty_list: []
empty_map: {}
nested:
    deeper:
        - [1, 2]
        - [3]
        - x: |
            two
            lines
notes_unencrypted: [1, 2.5, true, text, "007"]
"""


def sealed_by_sops(folder: Path, plain: str, *options: str) -> tuple[bytes, AgeKeyService]:
    recipient = make_identity(folder / "identity.txt")
    (folder / "plain.yaml").write_text(plain)
    done = run(
        part("sops"),
        "--disable-version-check",
        "encrypt",
        "--age",
        recipient,
        *options,
        folder / "plain.yaml",
        cwd=folder,
        environment={},
    )
    assert done.returncode == 0, said(done)
    return done.stdout, AgeKeyService.open(folder / "identity.txt")


def opened_by_sops(folder: Path, content: bytes, identity: str) -> tuple[int, bytes]:
    (folder / "sealed.yaml").write_bytes(content)
    done = run(
        part("sops"),
        "--disable-version-check",
        "decrypt",
        "--output-type",
        "json",
        folder / "sealed.yaml",
        cwd=folder,
        environment={"SOPS_AGE_KEY": identity},
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--unencrypted-suffix", "_plain"),
        ("--encrypted-suffix", "filter"),
        ("--encrypted-regex", "^(never|nest)"),
        ("--unencrypted-regex", "names$"),
    ],
    ids=" ".join,
)
def test_what_sops_sealed_opens_to_what_it_was(tmp_path: Path, options: tuple[str, ...]) -> None:
    content, keys = sealed_by_sops(tmp_path, PLAIN, *options)
    assert b"zephyr" not in content
    assert open_sops(content, "sealed.yaml", keys).value == load_yaml(PLAIN, "plain.yaml")


def test_a_mac_over_the_sealed_values_alone_is_read(tmp_path: Path) -> None:
    rule = {"mac_only_encrypted": True, "encrypted_regex": "^(never|nest)"}
    (tmp_path / ".sops.yaml").write_text(json.dumps({"creation_rules": [rule]}))
    content, keys = sealed_by_sops(tmp_path, PLAIN)
    assert b"mac_only_encrypted: true" in content
    assert open_sops(content, "sealed.yaml", keys).value == load_yaml(PLAIN, "plain.yaml")
    changed = content.replace(b"- a\n", b"- b\n")
    assert changed != content
    assert open_sops(changed, "sealed.yaml", keys).value["names"][0] == "b"


def test_sops_and_we_refuse_the_same(tmp_path: Path) -> None:
    """And where sops is blind, as its MAC leaves comments and empty values out, so are we."""
    value: dict[str, Any] = {"a": "one", "b": "two", "list": ["x", "y"], "empty": ""}
    content = seal_sops(value)
    code, said_json = opened_by_sops(tmp_path, content, str(IDENTITY))
    assert (code, load_yaml(said_json.decode(), "json")) == (0, value)
    lines = content.decode().splitlines(keepends=True)
    swapped = [*lines[:2][::-1], *lines[2:]]
    listed = [*lines[:3], lines[4], lines[3], *lines[5:]]
    moved = [lines[0][:3] + lines[1][3:], *lines[1:]]
    cases = {
        "as it is": (lines, True),
        "names in another order": (swapped, False),
        "list in another order": (listed, False),
        "a value at another name": (moved, False),
        "one value less": (lines[1:], False),
        "a comment more": (["# more\n", *lines], True),
        "an empty value more": (['more: ""\n', *lines], True),
        "a null more": (["more: null\n", *lines], True),
        "a clear value more": (["more: 1\n", *lines], False),
    }
    keys = AgeKeyService([IDENTITY])
    for name, (changed, opens) in cases.items():
        text = "".join(changed).encode()
        code, _ = opened_by_sops(tmp_path, text, str(IDENTITY))
        assert (code == 0) == opens, name
        if opens:
            open_sops(text, "sealed.yaml", keys)
        else:
            with pytest.raises(SopsError):
                open_sops(text, "sealed.yaml", keys)
