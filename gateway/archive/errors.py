"""The archive's errors.

GatewayError
└── ArchiveError        the store cannot be read or written, or holds what it should not
    └── LockError       the store keeps no retention dates: nothing is written there
"""

from gateway.errors import GatewayError


class ArchiveError(GatewayError):
    """The store cannot be used; what stands in it stands."""


class LockError(ArchiveError):
    """The store does not lock what is written to it."""
