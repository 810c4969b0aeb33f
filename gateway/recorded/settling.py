"""The decision path's own step from an engine's answer to a verdict, as a parameter: replay and
impact take exactly the step that decisions take (`gateway.decisions.evaluation.settle_class`)."""

from collections.abc import Callable
from typing import TypeAlias

from gateway.decisions.exceptions import Exceptions
from gateway.decisions.floor import Floor
from gateway.decisions.verdict import Settled
from gateway.engine.port import EngineFailure, RuleVerdict
from gateway.wire.classes import ProcessClass

# The verdict, and the failure's code where the engine gave no usable answer.
SettleClass: TypeAlias = Callable[
    [ProcessClass, RuleVerdict | EngineFailure, Floor, Exceptions], tuple[Settled, str | None]
]
