"""GET /v1/succession, and how a collector shows what it kept (docs/formats.md section 18)."""

import msgspec

CHECKPOINT_HEADER = "log-checkpoint"
"""Of GET /v1/policy; its value: base64 of the signed note that the collector kept."""


class SuccessionAnswer(msgspec.Struct, frozen=True):
    """How the log that is served came to be: its entry 0 (base64), the proof that it stands under
    the checkpoint (hex hashes, leaf first), and the checkpoint."""

    entry: str
    proof: tuple[str, ...]
    checkpoint: str
