"""The types of journal entries (docs/formats.md sections 11 and 15), as a verifier must know them:
each has a row in the journal's index and names the journal entry before it."""

JOURNAL_TYPES = frozenset(
    {
        "alarm.ended",
        "alarm.raised",
        "bundle.activated",
        "change.approved",
        "change.assessed",
        "change.rejected",
        "change.staged",
        "change.tested",
        "entries.purged",
        "exception.ended",
        "exception.granted",
        "hold.placed",
        "hold.released",
        "key.handed-over",
        "payloads.erased",
        "payloads.purged",
        "protection.added",
        "protection.removed",
        "rollout.ended",
        "rollout.halted",
        "rollout.stepped",
    }
)
# Logs from before there was a journal have entries of this type that name no other.
UNLINKED_TYPES = frozenset({"bundle.activated"})
