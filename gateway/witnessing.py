"""Composition of what others say of the log: witnesses, collectors' reports, timestamps."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from gateway.audit.fork_reports import ForkReports
from gateway.audit.port import Log
from gateway.audit.timestamps import (
    TimestampAuthority,
    Timestamps,
    open_timestamp_http,
    read_authorities,
)
from gateway.audit.witness_client import (
    WitnessAddress,
    WitnessClient,
    open_witness_http,
    verify_witness_url,
)
from gateway.audit.witnessed_log import WitnessedLog
from gateway.audit.witnesses import Witnesses
from gateway.clock import Clock
from gateway.configuration import GatewayConfig, TimestampsConfig, WitnessesConfig
from gateway.errors import ConfigError, VerificationError
from gateway.storage.engine import Engine
from gateway.tasks import run_beside
from gateway.transparency.notes import Verifier
from gateway.transparency.witness_policy import WitnessPolicy, read_policy


@dataclass(frozen=True, slots=True)
class Witnessing:
    """What runs. `witnesses` and `timestamps` are None where the configuration names none; reports
    of collectors are always taken."""

    log: WitnessedLog
    reports: ForkReports
    witnesses: Witnesses | None
    timestamps: Timestamps | None

    def problem(self) -> str | None:
        """Why nothing more may be signed, or None: what a witness says, or a collector proved.
        Begins with `fork_seen: ` or `witnessed_ahead: `; the former comes first."""
        told = [self.reports.problem(), self.witnesses.problem() if self.witnesses else None]
        return min((problem for problem in told if problem), default=None)

    def newest_seen(self) -> int:
        """The largest size of this log that anybody outside has told of, 0 when nobody has."""
        witnessed = self.witnesses.newest_seen() if self.witnesses else 0
        return max(witnessed, self.reports.newest_seen())


@asynccontextmanager
async def run_witnesses(
    config: GatewayConfig,
    engine: Engine,
    log: Log,
    verifiers: Sequence[Verifier],
    clock: Clock,
) -> AsyncIterator[Witnessing]:
    """Ask the configured witnesses and the timestamp authority beside everything else, until the
    end; `verifiers` are the keys that the log signs or signed with. Raises ConfigError."""
    witnessed = WitnessedLog(engine, log.origin)
    async with AsyncExitStack() as stack:
        witnesses = timestamps = None
        if config.witnesses is not None:
            witnesses = await _open_witnesses(stack, config.witnesses, witnessed, verifiers, clock)
            run_beside(stack, witnesses.run(), "witnesses")
        if config.timestamps is not None:
            timestamps = await _open_timestamps(stack, config.timestamps, witnessed, clock)
            run_beside(stack, timestamps.run(), "timestamps")
        reports = ForkReports(log, witnessed, verifiers)
        yield Witnessing(witnessed, reports, witnesses, timestamps)


def read_witness_policy(config: WitnessesConfig, verifiers: Sequence[Verifier]) -> WitnessPolicy:
    """The policy file; raises ConfigError also when it does not accept this log."""
    try:
        policy = read_policy(config.policy)
    except VerificationError as error:
        raise ConfigError(f"at witnesses.policy: {error}") from None
    known = {verifier.vkey for verifier in verifiers}
    if policy.logs and not any(log.verifier.vkey in known for log in policy.logs):
        raise ConfigError(
            f"at witnesses.policy: {config.policy} accepts other logs only; add a line `log "
            f"{next(iter(known), '<vkey>')}`, or leave out every log line"
        )
    return policy


def find_addresses(config: WitnessesConfig, policy: WitnessPolicy) -> list[WitnessAddress]:
    """Where each witness of the policy is; raises ConfigError where that is not said."""
    named = {address.name: address.url for address in config.addresses}
    if strangers := named.keys() - {witness.name for witness in policy.witnesses}:
        raise ConfigError(
            f"at witnesses.addresses: {min(strangers)[:80]!r} is no witness of {config.policy}"
        )
    found = []
    for witness in policy.witnesses:
        url = named.get(witness.name, witness.url)
        if url is None:
            raise ConfigError(
                f"at witnesses.addresses: witness {witness.name[:80]!r} has no address, neither "
                f"here nor in {config.policy}"
            )
        verify_witness_url(url, f"witnesses: {witness.name[:80]}")
        found.append(WitnessAddress(witness.name, url, witness.verifier))
    return found


class WitnessingCollector(Collector):
    """What others say, as metrics: register it with `Metrics.registry`."""

    def __init__(self, witnessing: Witnessing) -> None:
        self._witnessing = witnessing

    def collect(self) -> Iterator[GaugeMetricFamily]:
        told = self._witnessing
        yield GaugeMetricFamily(
            "gateway_witness_problem",
            "1 while a witness or collector has seen another or a longer log under this key",
            value=float(told.problem() is not None),
        )
        if told.timestamps is not None:
            yield GaugeMetricFamily(
                "gateway_stamped_size",
                "Entries under the newest timestamped checkpoint",
                value=told.timestamps.stamped_size,
            )
        if told.witnesses is None:
            return
        yield GaugeMetricFamily(
            "gateway_cosigned_size",
            "Entries under the newest checkpoint that met the witness policy",
            value=told.witnesses.met_size,
        )
        cosigned = GaugeMetricFamily(
            "gateway_witness_cosigned_size",
            "Entries under the newest checkpoint that a witness cosigned",
            labels=["witness"],
        )
        failing = GaugeMetricFamily(
            "gateway_witness_failing",
            "1 while a witness does not cosign; the log says why",
            labels=["witness"],
        )
        for name, status in told.witnesses.statuses.items():
            cosigned.add_metric([name], status.cosigned_size)
            failing.add_metric([name], float(status.failure is not None))
        yield cosigned
        yield failing


async def _open_witnesses(
    stack: AsyncExitStack,
    config: WitnessesConfig,
    log: WitnessedLog,
    verifiers: Sequence[Verifier],
    clock: Clock,
) -> Witnesses:
    policy = await asyncio.to_thread(read_witness_policy, config, verifiers)
    addresses = find_addresses(config, policy)
    http = await stack.enter_async_context(open_witness_http(config.ca, "witnesses.ca"))
    client = WitnessClient(http)
    return Witnesses(log, policy, addresses, client, config.interval_seconds, clock)


async def _open_timestamps(
    stack: AsyncExitStack, config: TimestampsConfig, log: WitnessedLog, clock: Clock
) -> Timestamps:
    authorities = await asyncio.to_thread(read_authorities, config.ca)
    http = await stack.enter_async_context(open_timestamp_http())
    authority = TimestampAuthority(config.url, authorities, http)
    return Timestamps(log, authority, config.interval_seconds, clock)
