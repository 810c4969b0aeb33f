"""Whether the policy that this gateway serves still stands: another process may put another in
force at any moment, and after that nothing may be dropped under the old one."""

import asyncio
from dataclasses import replace
from typing import Protocol

from gateway.changes.activation import Activation
from gateway.decisions.policy import ActivePolicy
from gateway.errors import GatewayError
from gateway.wire.verdicts import PolicyRef

LOOK_EVERY_SECONDS = 1.0
_OVER_US = 0


class Newest(Protocol):
    """Where activations are kept."""

    def newest(self) -> Activation | None:
        """The one in force; raises StorageError."""


class StandingPolicy:
    """Call it for the policy. Once another activation is seen it is one that has expired, under
    the new one's number: everything is kept, and collectors that ask void their leases."""

    def __init__(self, policy: ActivePolicy, activations: Newest) -> None:
        self._policy = policy
        self._served = policy.ref.activation
        self._activations = activations

    def __call__(self) -> ActivePolicy:
        return self._policy

    @property
    def problem(self) -> str | None:
        """Why the served policy no longer stands, or None."""
        if self._policy.expires_us != _OVER_US:
            return None
        return (
            f"activation {self._policy.ref.activation} is in force and this gateway serves "
            f"{self._served}; restart it"
        )

    async def look(self) -> None:
        """Compare with the activation in force. What cannot be read changes nothing: nothing can
        be recorded then either, so nothing is answered."""
        try:
            newest = await asyncio.to_thread(self._activations.newest)
        except (GatewayError, ValueError):
            return
        if newest is None:
            self._policy = replace(self._policy, expires_us=_OVER_US)
        elif newest.number != self._policy.ref.activation:
            ref = PolicyRef(newest.number, newest.revision, newest.bundle, newest.floor)
            self._policy = replace(self._policy, ref=ref, expires_us=_OVER_US)

    async def watch(self) -> None:
        """Look again and again; ends by cancellation."""
        while True:
            await asyncio.sleep(LOOK_EVERY_SECONDS)
            await self.look()
