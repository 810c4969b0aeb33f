"""The backup's errors.

GatewayError (gateway.errors)
└── BackupError   a copy cannot be made, is not what it says, or cannot be put back
"""

from gateway.errors import GatewayError


class BackupError(GatewayError):
    """The copy cannot be made or used; the message says what to do."""
