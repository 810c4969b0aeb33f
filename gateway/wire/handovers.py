"""GET /v1/checkpoint/handovers: how the log's key went from hand to hand."""

import msgspec


class Handover(msgspec.Struct, frozen=True):
    """One hand-over: the entry's bytes (base64), the checkpoint that both keys signed, and the
    entry's audit path under it (hex)."""

    entry: str
    checkpoint: str
    proof: tuple[str, ...]


class HandoversAnswer(msgspec.Struct, frozen=True):
    """All of them, oldest first."""

    handovers: tuple[Handover, ...]
