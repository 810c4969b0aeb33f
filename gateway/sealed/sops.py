"""Reads SOPS files (YAML): the data key through the key service, every value, then the MAC.

What SOPS itself leaves open stays open here, and a bundle's signature closes it: comments, nulls,
empty texts, the shape of lists in lists and the type of a value are in no MAC. Stricter than SOPS:
one document, one key group, no rules by comment, values of JSON's types. Messages name the file and
the path inside it, never a value (source: SOPS 3.13, `sops.go` and `stores/`).
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import re2

from gateway.errors import ConfigError, KeyServiceError
from gateway.sealed.port import DATA_KEY_BYTES, SopsKeyService
from gateway.sealed.sops_values import COMMENT, ValueSealError, counted_bytes, open_value
from gateway.wire.documents import load_yaml
from gateway.wire.expression_sets import encode_name, options

SECTION = "sops"
DEFAULT_UNENCRYPTED_SUFFIX = "_unencrypted"
_RULES = ("unencrypted_suffix", "encrypted_suffix", "unencrypted_regex", "encrypted_regex")
_COMMENT_RULES = ("unencrypted_comment_regex", "encrypted_comment_regex")
_MAX_KEYS = 64
_SHOWN_KEYS = 4
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d)", re.ASCII)
_VERSION = re.compile(r"\d+\.\d+\.\d+(?:-[A-Za-z0-9.]+)?", re.ASCII)
# SHA-256 of `sops`: a MAC over the sealed values alone begins with it.
_ONLY_SEALED = hashlib.sha256(b"sops").digest()


_SALT_DOMAIN = b"compliance-gateway/sealed-salt/v1\n"


class SopsError(ConfigError):
    """A SOPS file cannot be opened, or is not what was sealed."""


@dataclass(frozen=True, slots=True)
class SopsFile:
    """A file in clear, without its `sops` section. `salt` (32 bytes) is known to whoever can open
    it: a commitment to a value cannot be guessed at without."""

    value: dict[str, Any] = field(repr=False)
    salt: bytes = field(repr=False)


def open_sops(content: bytes, place: str, keys: SopsKeyService) -> SopsFile:
    """The file, opened and verified. `place` names it in messages.

    Raises SopsError for a file that is no SOPS file, cut, not sealed for `keys`, or changed: a
    value that stands in clear where the file's rule seals it, does not open, or was moved; a MAC
    that does not hold."""
    value = _parse(content, place)
    section = value.pop(SECTION, None)
    if not isinstance(section, dict):
        raise SopsError(f"{place}: no `{SECTION}` section: not sealed, or cut; seal it with sops")
    seal = _read_seal(section, place)
    key = _data_key(section, place, keys)
    reader = _Reader(place, key, seal)
    opened = {name: reader.read(item, (name,), name) for name, item in value.items()}
    _verify_mac(section, place, key, reader.mac())
    return SopsFile(opened, hashlib.sha256(_SALT_DOMAIN + key).digest())


def _parse(content: bytes, place: str) -> dict[str, Any]:
    try:
        value = load_yaml(content.decode(), place)
    except UnicodeDecodeError:
        raise SopsError(f"{place}: not UTF-8 text") from None
    except ConfigError as error:
        raise SopsError(str(error)) from None
    if not isinstance(value, dict):
        raise SopsError(f"{place}: must hold names and values; seal it with sops")
    return value


@dataclass(frozen=True, slots=True)
class _Seal:
    """Which values are sealed: by one rule, over the names that lead to them."""

    rule: str
    argument: str
    counts_only_sealed: bool

    def covers(self, names: tuple[str, ...]) -> bool:
        if self.rule.endswith("suffix"):
            found = any(name.endswith(self.argument) for name in names)
        else:
            found = any(
                re2.search(self.argument.encode(), encode_name(name), options()) for name in names
            )
        return found != self.rule.startswith("un")


def _read_seal(section: Mapping[str, Any], place: str) -> _Seal:
    if any(section.get(rule) for rule in _COMMENT_RULES):
        raise SopsError(
            f"{place}: {SECTION}: rules by comment are not read; seal by suffix or regex"
        )
    rules = [rule for rule in _RULES if section.get(rule)]
    if len(rules) > 1:
        raise SopsError(f"{place}: {SECTION}: {rules[0]} and {rules[1]} contradict; keep one")
    rule = rules[0] if rules else _RULES[0]
    argument = section.get(rule) or DEFAULT_UNENCRYPTED_SUFFIX
    only_sealed = section.get("mac_only_encrypted", False)
    if not isinstance(argument, str) or not isinstance(only_sealed, bool):
        raise SopsError(f"{place}: {SECTION}: {rule} or mac_only_encrypted has a wrong type")
    if rule.endswith("regex"):
        try:
            re2.compile(argument.encode(), options())
        except (re2.error, UnicodeEncodeError):
            raise SopsError(f"{place}: {SECTION}.{rule}: not a regular expression (RE2)") from None
    return _Seal(rule, argument, only_sealed)


def _data_key(section: Mapping[str, Any], place: str, keys: SopsKeyService) -> bytes:
    if section.get("key_groups") or section.get("shamir_threshold"):
        raise SopsError(f"{place}: {SECTION}: key groups are not read; seal it with one group")
    items = section.get(keys.sops_section)
    if not isinstance(items, list) or not items or len(items) > _MAX_KEYS:
        raise SopsError(
            f"{place}: {SECTION}.{keys.sops_section}: not sealed for this key service; "
            "name its recipient when sealing"
        )
    for item in items:
        try:
            key = keys.open_data_key(item if isinstance(item, dict) else {})
        except KeyServiceError:
            continue
        if len(key) == DATA_KEY_BYTES:
            return key
    named = [str(item.get("recipient", "?"))[:80] for item in items if isinstance(item, dict)]
    raise SopsError(
        f"{place}: {SECTION}.{keys.sops_section}: none of its {len(items)} data keys opens here "
        f"(sealed for {', '.join(named[:_SHOWN_KEYS]) or 'nobody'}); seal it for this gateway's "
        "recipient too"
    )


class _Reader:
    """Opens the values of one file in their order, and counts them for the MAC."""

    def __init__(self, place: str, key: bytes, seal: _Seal) -> None:
        self._place = place
        self._key = key
        self._seal = seal
        self._hash = hashlib.sha512(_ONLY_SEALED if seal.counts_only_sealed else b"")

    def mac(self) -> str:
        return self._hash.hexdigest().upper()

    def read(
        self, value: Any, names: tuple[str, ...], shown: str, *, is_listed: bool = False
    ) -> Any:
        if isinstance(value, dict):
            return {
                name: self.read(item, (*names, name), f"{shown}.{name}")
                for name, item in value.items()
            }
        if isinstance(value, list):
            items = [
                self.read(item, names, f"{shown}[{at}]", is_listed=True)
                for at, item in enumerate(value)
            ]
            return [item for item in items if item is not COMMENT]
        opened = self._leaf(value, names, shown)
        if opened is COMMENT and not is_listed:
            raise SopsError(f"{self._place}: {shown}: a comment where a value is due")
        return opened

    def _leaf(self, value: Any, names: tuple[str, ...], shown: str) -> Any:
        if value is None or value == "":  # SOPS leaves these as they are
            return value
        is_sealed = self._seal.covers(names)
        if is_sealed:
            value = self._open(value, names, shown)
        # A comment in a list is sealed like a value, and counts as little as any other comment.
        if value is not COMMENT and (is_sealed or not self._seal.counts_only_sealed):
            self._hash.update(counted_bytes(value))
        return value

    def _open(self, value: Any, names: tuple[str, ...], shown: str) -> Any:
        try:
            if not isinstance(value, str):
                raise ValueSealError("stands in clear")
            return open_value(value, self._key, (":".join(names) + ":").encode())
        except ValueSealError as error:
            raise SopsError(f"{self._place}: {shown}: {error}") from None


def _verify_mac(section: Mapping[str, Any], place: str, key: bytes, computed: str) -> None:
    modified, mac, version = (section.get(name) for name in ("lastmodified", "mac", "version"))
    if not isinstance(modified, str) or not _TIME.fullmatch(modified):
        raise SopsError(f"{place}: {SECTION}.lastmodified: not a time; restore the file")
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        raise SopsError(f"{place}: {SECTION}.version: missing, as in a file that was cut")
    try:
        claimed = open_value(mac if isinstance(mac, str) else "", key, modified.encode())
    except ValueSealError as error:
        raise SopsError(f"{place}: {SECTION}.mac: {error}") from None
    if not isinstance(claimed, str) or not hmac.compare_digest(claimed.encode(), computed.encode()):
        raise SopsError(
            f"{place}: {SECTION}.mac: does not match the values: some were changed, moved, added "
            "or removed after sealing; restore the file or seal it again"
        )
