"""Puts the collector together from its configuration; nothing connects before the first cycle."""

import secrets
import socket
from dataclasses import dataclass

from collector.agent import Agent, Exporter
from collector.assessment import PatternAssessor
from collector.classify import Classifier
from collector.client.connection import open_http, read_subject
from collector.client.consultation import Consultation
from collector.client.gateway_client import GatewayClient
from collector.client.leases import LeaseStore
from collector.client.policy_feed import PolicyFeed
from collector.client.witness import Witness
from collector.configuration import Configuration, prepare_state
from collector.enforce.ledger import Ledger
from collector.export.json_lines import JsonLinesExporter
from collector.sources.port import Source
from collector.sources.psutil_source import PsutilSource
from gateway.clock import Clock, SystemClock
from gateway.wire.classes import Sender

_EPOCH_BYTES = 16


@dataclass(frozen=True)
class Collector:
    """A collector that is ready to run; `feed` is started by who runs it for long."""

    agent: Agent
    client: GatewayClient
    classifier: Classifier
    source: Source
    sender: Sender
    feed: PolicyFeed
    witness: Witness


def compose(
    configuration: Configuration,
    *,
    observe: bool = False,
    clock: Clock | None = None,
    source: Source | None = None,
    exporter: Exporter | None = None,
) -> Collector:
    """The collector that a configuration describes; raises ConfigError, SourceError and
    EvidenceError (a damaged checkpoint file)."""
    clock = clock or SystemClock()
    connection = configuration.gateway
    subject = read_subject(connection.certificate)
    open_http(connection).close()  # a PEM file that cannot be used stops the start, not a cycle
    prepare_state(configuration)
    client = GatewayClient(connection.url, lambda: open_http(connection), clock)
    feed = PolicyFeed(lambda: open_http(connection))
    witness = Witness(
        configuration.state, configuration.log, client, clock, configuration.succession_keys
    )
    classifier = Classifier(configuration.rules, configuration.overrides)
    sender = Sender(subject.environment, subject.region, configuration.tier)
    source = source or PsutilSource(clock, {"host.name": socket.gethostname()})
    agent = Agent(
        source=source,
        assessor=PatternAssessor(classifier, configuration.profile),
        consultation=Consultation(client, LeaseStore(clock), witness, lambda: feed.heard),
        exporter=exporter or JsonLinesExporter(configuration.export_file),
        ledger=Ledger(secrets.token_hex(_EPOCH_BYTES)),
        sender=sender,
        clock=clock,
        observe=observe or configuration.observe,
    )
    return Collector(agent, client, classifier, source, sender, feed, witness)
