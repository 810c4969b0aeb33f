"""Who is told of what left the log: once, whichever process removed it, however often it is met."""

from collections.abc import Callable

import structlog

from gateway.audit.port import Removal

_MAX_TOLD = 256
_log = structlog.get_logger("gateway.audit")

Listener = Callable[[Removal], None]


class RemovalNews:
    """The listeners of one log, and the removals that they were told of."""

    def __init__(self, *listeners: Listener) -> None:
        self._listeners = list(listeners)
        self._told: set[Removal] = set()

    def listen(self, listener: Listener) -> None:
        """Have `listener` told of each removal from now on, on whichever thread."""
        self._listeners.append(listener)

    def tell(self, removal: Removal) -> None:
        """Tell of a removal that was carried out, unless it was told already. It is durable by now,
        and what the log takes into memory with it must not stop halfway: a listener that raises is
        named among the process's messages, and the others are told."""
        if removal in self._told:
            return
        if len(self._told) >= _MAX_TOLD:
            self._told.clear()
        self._told.add(removal)
        for listener in self._listeners:
            try:
                listener(removal)
            except Exception as error:  # noqa: BLE001 - whatever it was, the entry stands
                # Neither traceback nor text: both may hold what was to be forgotten.
                _log.error(
                    "removal_listener",
                    listener=getattr(listener, "__qualname__", type(listener).__name__),
                    problem=type(error).__name__,
                )
