"""The entry by which the log's key is handed over: made by a gateway that holds the new key."""

from collections.abc import Callable

from gateway import canonical
from gateway.changes.deed_subjects import Handover, parse_deed, short_key
from gateway.changes.journal import JournalDraft
from gateway.changes.promotion import gateway_fields
from gateway.changes.state import Change


class LogHandover:
    """Implements `gateway.changes.deeds.KeyHandover`: the log signs its checkpoint with both keys
    in the transaction in which the entry is written."""

    def __init__(self, is_held: Callable[[str], bool], actor: str) -> None:
        """`is_held(vkey)`: whether this process holds that key's private half."""
        self._is_held = is_held
        self._actor = actor

    async def hand_over(self, change: Change) -> JournalDraft | None:
        """As KeyHandover."""
        deed = parse_deed(change.kind, change.subject)
        if not isinstance(deed, Handover) or not self._is_held(deed.new):
            return None
        why = gateway_fields(
            change, self._actor, "key.hand-over", short_key(deed.old), short_key(deed.new)
        )
        body: dict[str, canonical.Value] = {
            "change": why,
            "id": change.id,
            "new": deed.new,
            "old": deed.old,
        }
        return JournalDraft("key.handed-over", lambda seq: body)
