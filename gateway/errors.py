"""The gateway's error tree.

    GatewayError
    ├── ConfigError            a file of the operator's is wrong: place and mend in the message
    ├── InputError             a caller's input is wrong
    │   ├── CanonicalError     a value has no RFC 8785 form of ours (a float, a lone surrogate)
    │   └── TooLargeError      past a limit
    ├── ConflictError          the request is right and something else got there first
    ├── ChangeRefusedError     a proposed change may not be taken: the reason in the message
    ├── IdentityError          a certificate, subject or key is not acceptable
    ├── BundleError            a policy bundle or floor is refused
    ├── EngineError            the policy engine gave no usable answer
    ├── LogUnavailableError    the log cannot be written: answer 503, the collector keeps (P3)
    ├── KeyServiceError        the key service cannot wrap or unwrap
    └── VerificationError      evidence does not hold (transparency raises its own subclasses)

Only these leave a package of ours; a foreign exception is wrapped at the port. Messages name the
place and the mend and never carry a secret or a value from a sensitive path.
"""


class GatewayError(Exception):
    """Base of every error that the gateway declares."""


class ConfigError(GatewayError):
    """A configuration, key or policy file of the operator's cannot be used."""


class InputError(GatewayError):
    """A caller's input cannot be used."""


class CanonicalError(InputError):
    """The value has no canonical form."""


class TooLargeError(InputError):
    """The input is past a limit."""


class ConflictError(GatewayError):
    """What is asked for contradicts what has happened meanwhile; look again before asking anew."""


class ChangeRefusedError(GatewayError):
    """A change of policy, exceptions, configuration or keys breaks a rule for changes."""


class IdentityError(GatewayError):
    """A certificate, subject or role is not acceptable."""


class BundleError(GatewayError):
    """A policy bundle or a floor is refused; the one in force stays."""


class EngineError(GatewayError):
    """The engine gave no usable answer; the class asked about is kept."""


class LogUnavailableError(GatewayError):
    """The audit log cannot be written, so nothing may be answered (P3)."""


class KeyServiceError(GatewayError):
    """The key service cannot wrap or unwrap a key."""


class VerificationError(GatewayError):
    """Evidence does not hold."""
