"""Composition of the policy lifecycle: from the journal to the policy that is served."""

import asyncio
import contextlib
import hashlib
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from gateway import canonical
from gateway.api.bundles import SEALED_ENDING, BundleBroadcast
from gateway.api.events import PolicyBroadcast
from gateway.audit.port import BundleStore, Draft, Log
from gateway.bundles.acceptance import accept
from gateway.bundles.folder import Bundle
from gateway.bundles.keys import BundleKey
from gateway.bundles.sealed_data import offered_sealed, unseal_signed
from gateway.bundles.signed import SignedBundle, open_bundle
from gateway.candidate import (
    NamedFloor,
    bundle_keys,
    floor_verifiers,
    parse_stored_floor,
    read_named_floor,
    read_seed,
)
from gateway.changes.activation import Justification, begin
from gateway.changes.assembly import Assembly
from gateway.changes.engines import Engines, Makers
from gateway.changes.follower import Follower
from gateway.changes.journal import Journal, Records, Tell
from gateway.changes.service import ChangeService, OpenBundle
from gateway.changes.state import Activation
from gateway.clock import Clock
from gateway.configuration import GatewayConfig, RemoteEngine
from gateway.decisions.floor import FloorFile
from gateway.engine.opa import EngineLimits
from gateway.engine.port import Engine
from gateway.engine.remote import RemoteLimits, RemoteOpa, parse_server
from gateway.engine.supervisor import SupervisedOpa, SupervisionLimits
from gateway.errors import ChangeRefusedError, ConfigError, EngineError
from gateway.identity.tls import client_context
from gateway.sealed.port import SopsKeyService
from gateway.transparency.notes import Verifier
from gateway.wire.verdicts import PolicyRef

_FIRST = Justification("configuration", "first start of a new log", "")


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """The running lifecycle: who is told of what, the policy that is served, and the queue."""

    journal: Journal
    queue: ChangeService
    follower: Follower
    engines: Engines
    store: BundleStore
    keys: tuple[BundleKey, ...]
    feed: PolicyBroadcast
    archives: BundleBroadcast
    sealed: BundleBroadcast
    open: OpenBundle

    def end_streams(self) -> None:
        """End event streams and held bundle questions."""
        self.feed.close()
        self.archives.close()
        self.sealed.close()


@asynccontextmanager
async def run_lifecycle(
    config: GatewayConfig,
    log: Log,
    store: BundleStore,
    actor: str,
    clock: Clock,
    new_keys: list[dict[str, canonical.Value]],
    key_service: SopsKeyService,
    tell: Tell = lambda before, after: None,
    *,
    first_key: str,
) -> AsyncIterator[Lifecycle]:
    """Serve what is in force, and go on doing so as it changes. A new log begins with what the
    configuration names, and `new_keys` are recorded with it. `tell(before, after)` hears of what
    this process changes; `key_service` opens sealed data; `first_key` is the vkey that the
    log was opened with. Raises ConfigError, BundleError,
    EngineError and log errors before anything is served."""
    keys = await asyncio.to_thread(bundle_keys, config)
    floor = await asyncio.to_thread(read_named_floor, config)
    appended = asyncio.Event()
    journal = Journal(log, clock, appended.set, tell, first_key)
    active = await _require_active(config, journal, log, store, floor, actor, new_keys)
    feed = PolicyBroadcast(PolicyRef(-1, "", "", ""))
    archives, sealed = BundleBroadcast(("", b"")), BundleBroadcast(("", b""))
    opener = partial(_open, keys=keys, key_service=key_service)
    async with AsyncExitStack() as stack:
        stack.callback(feed.close)
        stack.callback(archives.close)
        stack.callback(sealed.close)
        makers = _makers(config, archives, sealed, store)
        engines = Engines(store, lambda archive: opener(archive).bundle, makers)
        stack.push_async_callback(engines.aclose)
        verifiers = floor_verifiers(config) if config.policies.floor_keys else []
        assembly = Assembly(
            engines,
            partial(_stored_floor, config, verifiers, store),
            config.policies.max_age_days,
        )
        publish = partial(_publish, feed, archives, sealed, engines, store)
        follower = Follower(journal, log, assembly, engines, publish, appended)
        _verify_floor_in_force(floor, active)
        await follower.start()
        watch = asyncio.create_task(follower.follow(), name="policy-follower")
        stack.callback(watch.cancel)
        records = Records(journal, log, store)
        queue = ChangeService(records, opener, clock)
        yield Lifecycle(
            journal, queue, follower, engines, store, tuple(keys), feed, archives, sealed, opener
        )


async def _require_active(
    config: GatewayConfig,
    journal: Journal,
    log: Log,
    store: BundleStore,
    floor: NamedFloor,
    actor: str,
    new_keys: list[dict[str, canonical.Value]],
) -> Activation:
    """The activation in force; on a new log the configuration's bundle is tried and put there."""
    state = await journal.refresh()
    if state.active is None:
        seed = await asyncio.to_thread(read_seed, config)
        await asyncio.to_thread(_keep, config, store, seed, floor)
        await log.append([Draft("key.created", actor, canonical.encode(key)) for key in new_keys])
        try:
            state = await begin(journal, seed.bundle, floor.hash, _FIRST, actor)
        except ChangeRefusedError:  # another gateway began the same log just now: follow it
            state = await journal.refresh()
    if state.active is None:
        raise ConfigError("no policy is in force")
    return state.active


def _keep(config: GatewayConfig, store: BundleStore, seed: SignedBundle, floor: NamedFloor) -> None:
    accept(seed.bundle, config.engine.opa)
    store.put(seed.bundle.hash, seed.archive_bytes)
    if floor.hash:
        store.put(floor.hash, floor.note)


def _verify_floor_in_force(floor: NamedFloor, active: Activation) -> None:
    if floor.hash != active.floor_note:
        raise ConfigError(
            "at policies.floor: this is not the floor file that is in force; put the old file "
            "back, or run `gateway policy activate` with a justification and an approval id"
        )


def _open(archive: bytes, keys: list[BundleKey], key_service: SopsKeyService) -> SignedBundle:
    return unseal_signed(open_bundle(archive, keys), key_service)


def _stored_floor(
    config: GatewayConfig, verifiers: list[Verifier], store: BundleStore, note_hash: str
) -> FloorFile | None:
    """A floor file of the past or present; what is stored counts only under its own hash."""
    if not note_hash:
        return None
    note = store.get(note_hash)
    if note is None or hashlib.sha256(note).hexdigest() != note_hash:
        raise ConfigError(f"floor file {note_hash[:16]} is not in the store; restore a backup")
    return parse_stored_floor(config, note)


def _publish(
    feed: PolicyBroadcast,
    archives: BundleBroadcast,
    sealed: BundleBroadcast,
    engines: Engines,
    store: BundleStore,
    ref: PolicyRef,
) -> None:
    feed.publish(ref)
    archive = store.get(ref.bundle)
    if archive is not None:
        archives.publish((f"{ref.revision}.{ref.activation}", archive))
    bundle = engines.opened(ref.bundle)
    if bundle is not None:
        sealed.publish((f"{ref.revision}.{ref.activation}", offered_sealed(bundle).archive))


def _makers(
    config: GatewayConfig, archives: BundleBroadcast, sealed: BundleBroadcast, store: BundleStore
) -> Makers:
    engine = EngineLimits(deadline_seconds=config.engine.timeout_ms / 1000)
    limits = SupervisionLimits(engine=engine)

    async def supervise(bundle: Bundle) -> Engine:
        opa = SupervisedOpa(bundle, config.engine.opa, limits)
        await opa.start()
        return opa

    remote = config.engine.remote
    if remote is None:
        return Makers(supervise, supervise)
    return Makers(_RemoteMaker(config, remote, archives, sealed, store, engine), supervise)


class _RemoteMaker:
    """Engines over the user's OPA servers. They fetch the bundle from this gateway, so the first
    engine does not wait for them: nobody is answered yet when it is made."""

    def __init__(
        self,
        config: GatewayConfig,
        remote: RemoteEngine,
        archives: BundleBroadcast,
        sealed: BundleBroadcast,
        store: BundleStore,
        limits: EngineLimits,
    ) -> None:
        tls = client_context(remote.certificate, remote.key, remote.ca)
        self._servers = [parse_server(server, tls) for server in remote.servers]
        self._name = config.policies.name
        self._remote = remote
        self._archives = archives
        self._sealed = sealed
        self._gets_sealed = bool(config.policies.sealed_engines)
        self._store = store
        self._limits = RemoteLimits(engine=limits)
        self._is_first = True

    async def __call__(self, bundle: Bundle) -> Engine:
        archive = await asyncio.to_thread(self._store.get, bundle.hash)
        tag = f"{bundle.revision}.next-{secrets.token_hex(8)}"  # never one of an earlier time
        if archive is not None:  # fetched now, before anybody is asked about it
            self._archives.publish((tag, archive))
        expected = {self._name: bundle.revision}
        if self._gets_sealed or bundle.sealed is not None:
            offered = offered_sealed(bundle)
            self._sealed.publish((tag, offered.archive))
            expected[self._name + SEALED_ENDING] = offered.revision
        is_first, self._is_first = self._is_first, False
        opa = RemoteOpa(self._servers, expected, self._remote.others, self._limits)
        try:
            await opa.start()
            if not is_first:
                # Servers that are behind are left out until they follow; with none there yet
                # everything is kept and the gateway is not ready.
                with contextlib.suppress(EngineError):
                    await opa.wait_for_revision(self._remote.switch_seconds)
        except BaseException:
            await opa.aclose()
            raise
        return opa
