"""The gateway's own numbers, in Prometheus' text form."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """One registry per gateway; nothing global."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._verdicts = Counter(
            "gateway_verdicts", "Verdicts by effect", ["effect"], registry=self.registry
        )
        self._evaluations = Counter(
            "gateway_evaluations", "Classes evaluated by the engine", registry=self.registry
        )
        self._failures = Counter(
            "gateway_engine_failures",
            "Classes without a usable answer",
            ["code"],
            registry=self.registry,
        )
        self._requests = Counter(
            "gateway_requests", "Requests answered", ["path", "status"], registry=self.registry
        )
        self.decision_seconds = Histogram(
            "gateway_decision_seconds",
            "From a decision request's last byte to its answer",
            registry=self.registry,
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
        )
        self.activation = Gauge(
            "gateway_policy_activation",
            "Number of the activation in force",
            registry=self.registry,
        )
        self.steward_problem = Gauge(
            "gateway_steward_problem",
            "1 while an automatic act of the policy lifecycle fails; the log says which",
            registry=self.registry,
        )
        self.expected_unseen = Gauge(
            "gateway_expected_unseen",
            "Protected rows whose expected service is no longer seen; the log names them",
            registry=self.registry,
        )
        self.log_unscrubbed = Gauge(
            "gateway_log_unscrubbed",
            "1 while what was erased is still in the database's files; it is tried again",
            registry=self.registry,
        )
        self.ready = Gauge("gateway_ready", "1 when /readyz is 200", registry=self.registry)

    def observe(self, name: str, count: int) -> None:
        """Count an effect, or classes `evaluated`."""
        if name == "evaluated":
            self._evaluations.inc(count)
        elif name.startswith("failure:"):
            self._failures.labels(name.removeprefix("failure:")).inc(count)
        else:
            self._verdicts.labels(name).inc(count)

    def count_request(self, path: str, status: int) -> None:
        """Count an answer."""
        self._requests.labels(path, str(status)).inc()

    def exposition(self) -> bytes:
        """The text that /metrics serves."""
        return generate_latest(self.registry)
