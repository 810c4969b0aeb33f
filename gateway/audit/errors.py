"""The log's errors.

LogUnavailableError (gateway.errors)
├── EntryRefusedError   this group alone cannot be written (too large, a used class id); others can
├── LogFullError        more waits than the queue holds; nothing of the group was tried
└── LogBrokenError      the stored log is not what was written: nothing is added until it is mended
InputError (gateway.errors)
├── PayloadMissingError the log has no such class
└── PayloadErasedError  its key was erased or expired: replay says ERASED
ConflictError (gateway.errors)
├── MovedError          others changed what is in force meanwhile: read the journal, decide again
└── ExportError         an export's folder or log cannot be used: nothing of it was published
"""

from gateway.errors import ConflictError, InputError, LogUnavailableError


class EntryRefusedError(LogUnavailableError):
    """The group cannot be written as it is; the log itself is well."""


class LogFullError(LogUnavailableError):
    """Too much waits to be written; nothing of this group was tried."""


class LogBrokenError(LogUnavailableError):
    """The stored log contradicts itself or what this process wrote to it."""


class PayloadMissingError(InputError):
    """The log has no payload for this class id."""


class PayloadErasedError(InputError):
    """The payload cannot be opened any more, lawfully."""


class MovedError(ConflictError):
    """The journal is not where the caller saw it; nothing of the group was written. `journal` and
    `activation` are the seqs of the newest journal and serving entries (-1: none)."""

    def __init__(self, journal: int, activation: int) -> None:
        super().__init__(
            f"what is in force has changed meanwhile: the newest journal entry is {journal}, the "
            f"activation number {activation}; read the journal and decide again"
        )
        self.journal = journal
        self.activation = activation


class ExportError(ConflictError):
    """The folder holds something else than the beginning of this log, cannot be written, or the log
    does not lead to its own checkpoint. The folder's checkpoint stays as it was."""
