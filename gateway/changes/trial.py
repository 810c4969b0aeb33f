"""The trial of a staged bundle, by everything that could keep the gateway from serving by it."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from gateway.audit.port import BundleStore
from gateway.bundles.acceptance import accept
from gateway.bundles.signed import SignedBundle
from gateway.changes.candidates import verify_usable
from gateway.changes.examination import TrialOutcome
from gateway.changes.state import Change
from gateway.errors import BundleError, ConfigError

HELD = "signature, schemas, declaration, windows, floor rows, opa check and its own tests hold"


class BundleTrial:
    """The Trial port over the bundle store and the real OPA. `open(archive)` raises BundleError
    unless a key that is configured now signed it: the one it was staged under may be gone."""

    def __init__(
        self, store: BundleStore, open: Callable[[bytes], SignedBundle], opa: Path
    ) -> None:
        self._store = store
        self._open = open
        self._opa = opa

    async def __call__(self, change: Change) -> TrialOutcome:
        """Takes seconds, on a thread. Raises StorageError, and ConfigError without an OPA."""
        try:
            await asyncio.to_thread(self._run, change)
        except BundleError as error:
            return TrialOutcome(False, str(error))
        return TrialOutcome(True, HELD)

    def _run(self, change: Change) -> None:
        if not self._opa.is_file():
            raise ConfigError(f"at engine.opa: {self._opa}: there is no OPA to try bundles with")
        archive = self._store.get(change.subject["bundle"])
        if archive is None:
            raise BundleError("the bundle is not in the store; stage it again")
        signed = self._open(archive)
        bundle = signed.bundle
        found = (bundle.hash, bundle.revision, bundle.version, signed.key_fingerprint)
        named = tuple(change.subject[name] for name in ("bundle", "revision", "version", "signer"))
        if found != named:
            raise BundleError(
                f"what is stored is not what {change.id} names: it is {bundle.revision}, "
                f"signed by {signed.key_fingerprint[:16]}"
            )
        verify_usable(bundle)
        accept(bundle, self._opa)
