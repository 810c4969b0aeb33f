"""POST /v1/witness-report: what a collector holds against the log (docs/formats.md section 17)."""

import msgspec


class ForkReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Two signed notes of the log: the one that the collector kept and the one that it refused."""

    kept: str
    refused: str


class ForkReportAnswer(msgspec.Struct, frozen=True):
    """The entry `fork.reported` that a report became: its place, and `fork` or `rollback`."""

    index: int
    leaf_hash: str
    kind: str
