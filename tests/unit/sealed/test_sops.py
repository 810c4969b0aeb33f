"""What was sealed opens, and what was changed since does not, without a word of what it says."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from pyrage import x25519

from gateway.errors import KeyServiceError
from gateway.sealed.age import AgeKeyService
from gateway.sealed.sops import SopsError, open_sops
from gateway.sealed.sops_values import counted_bytes
from tests.fakes.sops import IDENTITY, seal_sops

KEYS = AgeKeyService([IDENTITY])
PLACE = "sealed/pci/data.sops.yaml"
SECRET = "zephyr-ledger"
VALUE: dict[str, Any] = {
    "never_filter": [
        {
            "id": "one",
            "glob": SECRET,
            "rank": 7,
            "share": 0.25,
            "live": True,
            "note": "",
            "by": None,
        },
        {"id": "two", "glob": SECRET + "-2", "live": False},
    ],
    "names": ["a", SECRET],
}


def opened(content: bytes, keys: AgeKeyService = KEYS) -> dict[str, Any]:
    return open_sops(content, PLACE, keys).value


def changed(content: bytes, change: Callable[[Any], Any]) -> bytes:
    value = yaml.safe_load(content)
    change(value)
    return yaml.safe_dump(value, sort_keys=False, width=10_000).encode()


def assert_refused(content: bytes, message: str, keys: AgeKeyService = KEYS) -> None:
    with pytest.raises(SopsError, match=message) as refused:
        opened(content, keys)
    assert str(refused.value).startswith(PLACE)
    assert SECRET not in str(refused.value)


def test_every_type_comes_back() -> None:
    found = opened(seal_sops(VALUE))
    assert found == VALUE
    assert found["never_filter"][0]["live"] is True
    assert type(found["never_filter"][0]["rank"]) is int


def test_any_of_several_recipients_opens_it() -> None:
    other = x25519.Identity.generate()
    content = seal_sops(VALUE, [other, IDENTITY])
    assert opened(content) == opened(content, AgeKeyService([other])) == VALUE


def test_another_recipient_does_not_and_hears_for_whom_it_was() -> None:
    other = AgeKeyService([x25519.Identity.generate()])
    message = f"sops.age: none of its 1 data keys opens here .sealed for {IDENTITY.to_public()}"
    assert_refused(seal_sops(VALUE), message, other)


def _swap_between_paths(value: Any) -> None:
    rows = value["never_filter"]
    rows[0]["id"], rows[0]["glob"] = rows[0]["glob"], rows[0]["id"]


def _swap_in_one_path(value: Any) -> None:
    rows = value["never_filter"]
    rows[0]["glob"], rows[1]["glob"] = rows[1]["glob"], rows[0]["glob"]


def _flip(text: str) -> str:
    at = text.index("data:") + 5
    return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]


def _edit(*path: Any, to: Any) -> Callable[[Any], None]:
    def edit(value: Any) -> None:
        *folders, last = path
        for step in folders:
            value = value[step]
        value[last] = to(value[last]) if callable(to) else to

    return edit


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_edit("never_filter", 0, "glob", to=_flip), r"never_filter\[0\]\.glob: does not open"),
        (_edit("never_filter", 0, "glob", to=SECRET), r"never_filter\[0\]\.glob: stands in clear"),
        (_edit("never_filter", 0, "rank", to=7), r"never_filter\[0\]\.rank: stands in clear"),
        (_edit("never_filter", 0, "live", to=False), r"never_filter\[0\]\.live: stands in clear"),
        (_edit("names", 1, to=lambda text: text[:-9]), r"names\[1\]: stands in clear, or is cut"),
        (
            _edit("names", 1, to=lambda text: text.replace("tag:", "tag:A")),
            r"names\[1\]: is damaged",
        ),
        (
            _edit("names", 1, to=lambda text: text.replace(":str]", ":comment]")),
            "sops.mac: does not match",
        ),
        (
            _edit("names", 1, to=lambda text: text.replace(":str]", ":int]")),
            r"names\[1\]: does not hold",
        ),
        (
            _edit("names", 1, to=lambda text: text.replace(":str]", ":time]")),
            r"names\[1\]: is a date",
        ),
        (
            _edit("never_filter", 0, "glob", to=lambda text: text.replace(":str]", ":comment]")),
            r"never_filter\[0\]\.glob: a comment",
        ),
        (_swap_between_paths, r"never_filter\[0\]\.id: does not open"),
        (_swap_in_one_path, "sops.mac: does not match the values"),
        (lambda value: value["never_filter"].pop(), "sops.mac: does not match the values"),
        (lambda value: value["never_filter"].reverse(), "sops.mac: does not match the values"),
        (lambda value: value["names"].append(value["names"][0]), "sops.mac: does not match"),
        (lambda value: value.update(more=value["names"][0]), "more: does not open"),
        (_edit("sops", "mac", to=_flip), "sops.mac: does not open"),
        (lambda value: value["sops"].pop("mac"), "sops.mac: stands in clear, or is cut"),
        (_edit("sops", "lastmodified", to="2026-01-02T03:04:06Z"), "sops.mac: does not open"),
        (_edit("sops", "lastmodified", to=SECRET), "sops.lastmodified: not a time"),
        (lambda value: value["sops"].pop("version"), "sops.version: missing"),
        (lambda value: value["sops"].pop("age"), "sops.age: not sealed for this key service"),
        (_edit("sops", "age", 0, "enc", to="x"), "sops.age: none of its 1 data keys"),
        (_edit("sops", "age", 0, to=None), "sealed for nobody"),
        (_edit("sops", "shamir_threshold", to=2), "key groups are not read"),
        (_edit("sops", "encrypted_regex", to="^glob"), "stands in clear|does not match"),
        (_edit("sops", "mac_only_encrypted", to=True), "sops.mac: does not match"),
        (lambda value: value.pop("sops"), "no `sops` section"),
    ],
)
def test_what_was_changed_after_sealing_is_refused(
    change: Callable[[Any], Any], message: str
) -> None:
    assert_refused(changed(seal_sops(VALUE), change), message)


def test_a_cut_file_is_refused_or_says_the_same() -> None:
    content = seal_sops(VALUE)
    for end in range(0, len(content), 7):
        try:
            found = opened(content[:end])
        except SopsError:
            continue
        assert found == VALUE
        assert end > content.index(b"version: ")


def test_what_is_no_yaml_mapping_is_refused() -> None:
    for content in (b"\xff", b"", b"- a\n", b"a: [", b"a: b\n"):
        assert_refused(content, "UTF-8|names and values|not YAML|no `sops` section")


RULES = [
    ({}, lambda names: not any(name.endswith("_unencrypted") for name in names)),
    ({"unencrypted_suffix": "_open"}, lambda names: not any(n.endswith("_open") for n in names)),
    ({"encrypted_suffix": "_shut"}, lambda names: any(n.endswith("_shut") for n in names)),
    ({"encrypted_regex": "^(glob|x_)"}, lambda names: any(re.match("glob|x_", n) for n in names)),
    ({"unencrypted_regex": "open$"}, lambda names: not any(n.endswith("open") for n in names)),
]


@pytest.mark.parametrize(("section", "is_sealed"), RULES)
@pytest.mark.parametrize("only_sealed", [False, True])
def test_a_files_rule_says_what_is_sealed(
    section: dict[str, Any], is_sealed: Callable[[tuple[str, ...]], bool], only_sealed: bool
) -> None:
    value = {
        "glob": "a",
        "x_unencrypted": {"y": ["b", 3]},
        "y_open": "c",
        "z_shut": ["d"],
        "plain": 1.5,
    }
    extra: dict[str, Any] = {"mac_only_encrypted": True} if only_sealed else {}
    content = seal_sops(value, is_sealed=is_sealed, **section, **extra)
    assert opened(content) == value
    name = next(name for name in value if not is_sealed((name,)) or name == "plain")
    tampered = changed(content, _edit(name, to="other"))
    if only_sealed and not is_sealed((name,)):
        assert opened(tampered)[name] == "other"  # as SOPS: only what is sealed is counted
    else:
        assert_refused(tampered, f"{name}: stands in clear|sops.mac: does not match")


def test_rules_that_cannot_be_kept_are_refused() -> None:
    both = seal_sops(VALUE, unencrypted_suffix="_a", encrypted_regex="b")
    assert_refused(both, "unencrypted_suffix and encrypted_regex contradict")
    assert_refused(seal_sops(VALUE, encrypted_comment_regex="b"), "rules by comment")
    assert_refused(seal_sops(VALUE, encrypted_regex="("), "sops.encrypted_regex: not a regular")


def test_a_floats_bytes_are_gos() -> None:
    pairs = [(1.0, b"1"), (0.1, b"0.1"), (1e21, b"1" + b"0" * 21), (1e-7, b"0.0000001")]
    assert [counted_bytes(number) for number, _ in pairs] == [text for _, text in pairs]


def test_a_key_wrapped_for_the_log_is_no_data_key() -> None:
    """Both are age files for one identity: neither opens as the other."""
    with pytest.raises(KeyServiceError):
        KEYS.open_data_key({"enc": 5})
    content = changed(
        seal_sops(VALUE), _edit("sops", "age", 0, "enc", to=_armor(KEYS.wrap(bytes(32), b"c")))
    )
    assert_refused(content, "none of its 1 data keys")


def _armor(blob: bytes) -> str:
    import base64

    body = base64.b64encode(blob).decode()
    lines = [body[at : at + 64] for at in range(0, len(body), 64)]
    return "\n".join(
        ["-----BEGIN AGE ENCRYPTED FILE-----", *lines, "-----END AGE ENCRYPTED FILE-----", ""]
    )
