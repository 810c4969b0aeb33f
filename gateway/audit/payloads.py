"""Payloads beside the log: each sealed under its own random key, that key under the key of its
(region, retention class, month), and that one by the key service (docs/formats.md section 9)."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from gateway import canonical
from gateway.audit.errors import EntryRefusedError, PayloadErasedError, PayloadMissingError
from gateway.audit.lost import Lost
from gateway.audit.port import Draft, Payload, Removal
from gateway.audit.removing import find_month_keys_of, read_losses
from gateway.sealed.envelope import EnvelopeError, seal, unseal
from gateway.sealed.port import DATA_KEY_BYTES, KeyService
from gateway.storage import payload_store
from gateway.storage.engine import Connection, Engine, read_transaction
from gateway.storage.payload_store import FoundPayload, MonthKeyRow, PayloadRow

_PAYLOAD = b"compliance-gateway/payload/v1\n"
_PAYLOAD_KEY = b"compliance-gateway/payload-key/v1\n"
_MONTH_KEY = b"compliance-gateway/month-key/v1\n"
_FINGERPRINT = b"compliance-gateway/key-fingerprint/v1\n"

PURPOSE = "payload-month"
_is_plain = re.compile(r"[0-9A-Za-z._-]{1,64}").fullmatch


class MonthKeysMovedError(Exception):
    """Another process made or deleted a month key meanwhile: seal again. Stays in the package."""


@dataclass
class SealedBatch:
    """Sealed payloads ready to be stored. `new_keys` are month keys that do not stand yet."""

    month: str
    keys: dict[str, bytes] = field(default_factory=dict)
    new_keys: list[MonthKeyRow] = field(default_factory=list)


class PayloadVault:
    """Seals and opens the payloads of one log. `random(n)` gives n unpredictable bytes."""

    def __init__(
        self, engine: Engine, log: str, service: KeyService, random: Callable[[int], bytes]
    ) -> None:
        self._engine = engine
        self._log = log
        self._service = service
        self._random = random
        self._cached: dict[str, bytes] = {}  # month key id -> key; a handful a month

    def seal(self, batch: SealedBatch, payloads: Sequence[Payload]) -> list[PayloadRow]:
        """Seal one group's payloads for the batch's month, before the transaction (the key service
        may be slow); raises KeyServiceError, EntryRefusedError or StorageError."""
        return [self._seal_one(batch, payload) for payload in payloads]

    def store(self, connection: Connection, batch: SealedBatch) -> None:
        """Store the batch's new month keys; raises MonthKeysMovedError when a key of the batch
        was made or deleted by another process since."""
        if not batch.keys:
            return
        new = {row.id for row in batch.new_keys}
        is_purged = new and new & read_losses(connection, self._log).month_keys
        standing = payload_store.find_month_keys(connection, batch.keys)
        if is_purged or standing != batch.keys.keys() - new:
            for key_id in batch.keys:
                self._cached.pop(key_id, None)
            raise MonthKeysMovedError
        payload_store.insert_month_keys(connection, batch.new_keys)

    def keep(self, batch: SealedBatch) -> None:
        """The batch is durable: its month keys may be used again."""
        self._cached.update(batch.keys)

    def forget(self, removal: Removal) -> None:
        """Keys that were removed, by whichever process, are not in memory any longer."""
        for key_id in removal.month_keys:
            self._cached.pop(key_id, None)

    def describe_new_keys(self, batch: SealedBatch, actor: str) -> list[Draft]:
        """One `key.created` entry for each new month key."""
        return [self._describe(row, batch.keys[row.id], actor) for row in batch.new_keys]

    def open_payload(self, class_id: str, seq: int = -1) -> bytes:
        """The plaintext of one class, as `open_many`; without the seq a month that was purged
        cannot be told from a loss. Raises PayloadMissingError, PayloadErasedError (the log says
        that payload or month were removed), KeyServiceError (also: it was tampered with),
        StorageError."""
        found = self.open_many({class_id: seq})[class_id]
        if isinstance(found, bytes):
            return found
        if found is Lost.DAMAGED:
            raise EnvelopeError(f"the payload of class {class_id} does not open under its own key")
        if found is Lost.MISSING:
            raise PayloadMissingError(f"the log has no payload for class {class_id[:48]}")
        raise PayloadErasedError(f"the payload of class {class_id} was {found}")

    def open_many(self, classes: Mapping[str, int]) -> dict[str, bytes | Lost]:
        """The plaintext of many class ids, each with the seq of the `evaluations` entry that names
        it; what cannot be opened says why, and what the log says was removed is not opened even if
        a copy of it is there. Each month's key is unwrapped once. Raises KeyServiceError when a
        month's key cannot be unwrapped, and StorageError."""
        with read_transaction(self._engine) as connection:
            rows = list(payload_store.read_payloads(connection, self._log, list(classes)))
            losses = read_losses(connection, self._log)
            absent = {
                class_id: classes[class_id]
                for class_id in classes.keys() - {row.class_id for row in rows}
            }
            places = find_month_keys_of(connection, self._log, absent)
        opened: dict[str, bytes | Lost] = {
            class_id: losses.find(class_id, places.get(class_id)) or Lost.MISSING
            for class_id in absent
        }
        # Not from the cache: a month that expired meanwhile must not open any more.
        keys: dict[str, bytes] = {}
        for row in rows:
            lost = losses.find(row.class_id, row.month_key)
            opened[row.class_id] = lost or self._open_found(row, keys)
        return {class_id: opened[class_id] for class_id in classes}

    def _open_found(self, row: FoundPayload, keys: dict[str, bytes]) -> bytes | Lost:
        if row.month_wrapped is None or row.wrapped is None:
            return Lost.MISSING
        month_key = keys.get(row.month_key)
        if month_key is None:
            month_key = self._service.unwrap(row.month_wrapped, self._month_context(row.month_key))
            keys[row.month_key] = month_key
        try:
            key = unseal(month_key, row.wrapped, _payload_key_context(row.class_id, row.month_key))
            return unseal(key, row.sealed, _PAYLOAD + row.class_id.encode())
        except EnvelopeError:
            return Lost.DAMAGED

    def _seal_one(self, batch: SealedBatch, payload: Payload) -> PayloadRow:
        if not _is_plain(payload.class_id):
            raise EntryRefusedError("a class id is not of letters, digits and .-_")
        key_id = self._month_key_id(payload, batch.month)
        month_key = self._month_key(batch, payload, key_id)
        key = self._random(DATA_KEY_BYTES)
        class_id = payload.class_id
        sealed = seal(key, payload.plaintext, _PAYLOAD + class_id.encode(), self._random)
        context = _payload_key_context(class_id, key_id)
        return PayloadRow(
            class_id=class_id,
            month=batch.month,
            region=payload.region,
            retention_class=payload.retention_class,
            sealed=sealed,
            month_key=key_id,
            wrapped=seal(month_key, key, context, self._random),
        )

    def _month_key(self, batch: SealedBatch, payload: Payload, key_id: str) -> bytes:
        key = batch.keys.get(key_id) or self._cached.get(key_id)
        if key is None:
            with read_transaction(self._engine) as connection:
                wrapped = payload_store.read_month_key(connection, key_id)
                if wrapped is None and key_id in read_losses(connection, self._log).month_keys:
                    # The clock went back: what was purged must not come to life again.
                    raise EntryRefusedError(f"month key {key_id} was purged, its month is over")
            context = self._month_context(key_id)
            if wrapped is not None:
                key = self._service.unwrap(wrapped, context)
            else:
                key = self._random(DATA_KEY_BYTES)
                wrapped = self._service.wrap(key, context)
                batch.new_keys.append(
                    MonthKeyRow(
                        key_id, payload.region, payload.retention_class, batch.month, wrapped
                    )
                )
        batch.keys[key_id] = key
        return key

    def _month_key_id(self, payload: Payload, month: str) -> str:
        if "/" in payload.region or "/" in payload.retention_class:
            raise EntryRefusedError("a region or retention class holds a slash")
        return f"{self._log}/{payload.region}/{payload.retention_class}/{month}"

    def _month_context(self, key_id: str) -> bytes:
        return _MONTH_KEY + key_id.encode()

    def _describe(self, row: MonthKeyRow, key: bytes, actor: str) -> Draft:
        body: dict[str, canonical.Value] = {
            "purpose": PURPOSE,
            # Of 256 random bits, a hash tells nothing.
            "fingerprint": sha256(_FINGERPRINT + key).hexdigest()[:32],
            "service": self._service.name,
            "region": row.region,
            "retention_class": row.retention_class,
            "month": row.month,
        }
        return Draft("key.created", actor, canonical.encode(body))


def _payload_key_context(class_id: str, month_key_id: str) -> bytes:
    return _PAYLOAD_KEY + f"{class_id}\n{month_key_id}".encode()
