"""How important a process is: classes of patterns with scores, and overrides."""

from collector.classify.classifier import Classification, Classifier
from collector.classify.configuration import (
    ClassRule,
    Override,
    parse_classification,
    parse_overrides,
)

__all__ = [
    "Classification",
    "Classifier",
    "ClassRule",
    "Override",
    "parse_classification",
    "parse_overrides",
]
