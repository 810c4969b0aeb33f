"""The types of journal entries (docs/formats.md sections 11 and 15), for those who write the log
and for a verifier: each has a row in the journal's index and names the journal entry before it."""

# These change what collectors are told; the newest one's seq is the activation number.
SERVING_TYPES = frozenset(
    {
        "bundle.activated",
        "exception.ended",
        "exception.granted",
        "protection.added",
        "protection.removed",
        "rollout.ended",
        "rollout.halted",
        "rollout.stepped",
    }
)
JOURNAL_TYPES = SERVING_TYPES | {
    "alarm.ended",
    "alarm.raised",
    "change.approved",
    "change.assessed",
    "change.rejected",
    "change.staged",
    "change.tested",
    "entries.purged",
    "hold.placed",
    "hold.released",
    "key.handed-over",
    "payloads.erased",
    "payloads.purged",
}
# Logs from before there was a journal have entries of this type that name no other.
UNLINKED_TYPES = frozenset({"bundle.activated"})
