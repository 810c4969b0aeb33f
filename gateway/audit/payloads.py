"""Payloads beside the log: each sealed under its own random key, that key under the key of its
(region, retention class, month), and that one by the key service (docs/formats.md section 9)."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from gateway import canonical
from gateway.audit.errors import EntryRefusedError, PayloadErasedError, PayloadMissingError
from gateway.audit.lost import Lost
from gateway.audit.port import Draft, Payload
from gateway.sealed.envelope import EnvelopeError, seal, unseal
from gateway.sealed.port import DATA_KEY_BYTES, KeyService
from gateway.storage import payload_store
from gateway.storage.engine import Connection, Engine, read_transaction, write_transaction
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
        if payload_store.find_month_keys(connection, batch.keys) != batch.keys.keys() - new:
            for key_id in batch.keys:
                self._cached.pop(key_id, None)
            raise MonthKeysMovedError
        payload_store.insert_month_keys(connection, batch.new_keys)

    def keep(self, batch: SealedBatch) -> None:
        """The batch is durable: its month keys may be used again."""
        self._cached.update(batch.keys)

    def describe_new_keys(self, batch: SealedBatch, actor: str) -> list[Draft]:
        """One `key.created` entry for each new month key."""
        return [self._describe(row, batch.keys[row.id], actor) for row in batch.new_keys]

    def open_payload(self, class_id: str) -> bytes:
        """The plaintext, for replay; raises PayloadMissingError, PayloadErasedError (the payload's
        or the month's key is gone), KeyServiceError (also: it was tampered with), StorageError."""
        with read_transaction(self._engine) as connection:
            row = payload_store.read_payload(connection, self._log, class_id)
        if row is None:
            raise PayloadMissingError(f"the log has no payload for class {class_id[:48]}")
        if row.month_key is None or row.wrapped is None or row.month_wrapped is None:
            raise PayloadErasedError(f"the payload of class {class_id} was erased or has expired")
        # Not from the cache: a month that expired meanwhile must not open any more.
        month_key = self._service.unwrap(row.month_wrapped, self._month_context(row.month_key))
        context = _payload_key_context(class_id, row.month_key)
        key = unseal(month_key, row.wrapped, context)
        return unseal(key, row.sealed, _PAYLOAD + class_id.encode())

    def open_many(self, classes: Mapping[str, str]) -> dict[str, bytes | Lost]:
        """As `open_payload` for many class ids at once, each with the month (`YYYY-MM`) of its
        entry; what cannot be opened says why. Each month's key is unwrapped once. Raises
        KeyServiceError when a month's key cannot be unwrapped, and StorageError."""
        with read_transaction(self._engine) as connection:
            rows = list(payload_store.read_payloads(connection, self._log, list(classes)))
            months = payload_store.find_months(connection, self._log)
        opened: dict[str, bytes | Lost] = {
            class_id: Lost.MISSING if month in months else Lost.PURGED
            for class_id, month in classes.items()
        }
        keys: dict[str, bytes] = {}
        for row in rows:
            opened[row.class_id] = self._open_found(row, keys)
        return opened

    def _open_found(self, row: FoundPayload, keys: dict[str, bytes]) -> bytes | Lost:
        if row.month_wrapped is None:
            return Lost.PURGED
        if row.wrapped is None:
            return Lost.ERASED
        month_key = keys.get(row.month_key)
        if month_key is None:
            month_key = self._service.unwrap(row.month_wrapped, self._month_context(row.month_key))
            keys[row.month_key] = month_key
        try:
            key = unseal(month_key, row.wrapped, _payload_key_context(row.class_id, row.month_key))
            return unseal(key, row.sealed, _PAYLOAD + row.class_id.encode())
        except EnvelopeError:
            return Lost.DAMAGED

    def erase(self, class_id: str) -> bool:
        """Delete the payload's only key; whether there was one. The caller appends the entry that
        says so first (P5, P6). Raises StorageError."""
        with write_transaction(self._engine) as connection:
            return payload_store.delete_payload_key(connection, self._log, class_id)

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
