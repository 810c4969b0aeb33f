"""The collector's error tree. Messages name the place and the mend, and never a secret.

CollectorError
├── ConfigError          collector.yaml or a file it names cannot be used
├── SourceError          the host's processes cannot be read at all
├── GatewayUnavailable   no usable answer from the gateway: keep everything
├── EvidenceError        a checkpoint or proof does not hold: keep everything and report
└── ExportError          a kept point could not be written
"""


class CollectorError(Exception):
    """Base of every error that the collector declares."""


class ConfigError(CollectorError):
    """A configuration file cannot be used."""


class SourceError(CollectorError):
    """The host's processes cannot be read."""


class GatewayUnavailable(CollectorError):  # noqa: N818 - a state of the world, not a defect
    """The gateway gave no usable answer; every point is kept."""


class EvidenceError(CollectorError):
    """The gateway's evidence does not hold; every point is kept and the operator is told."""


class ExportError(CollectorError):
    """A kept point could not be written."""
