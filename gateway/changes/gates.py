"""The gates of a rollout's step: what was measured of the candidate, and what of it does not hold.

Measured by this process, since the step began. The bundle's own rules (`data.validation`) are asked
over the same measurements, elsewhere (`gateway.changes.validation`).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from gateway import canonical
from gateway.decisions.lanes import ANY, Step
from gateway.decisions.shadow import MAX_LOSSES, ShadowMeter
from gateway.impact.names import loss_name, protecting_control

MIN_TIMED = 20  # a median of fewer says nothing
NAMED_LOSSES = 20  # in a failure's sentence; an entry has room for no more than some
EVEN_PERMILLE = 1000


@dataclass(frozen=True, slots=True)
class GateLimits:
    """What the gateway itself allows; a bundle's own rules may be stricter. Failed evaluations in
    thousandths; the candidate's median time over the active one's in thousandths."""

    failure_permille: int = 10
    latency_ratio_permille: int = 2000


@dataclass(frozen=True, slots=True)
class Measurements:
    """One step so far. `losses` are names (as an approval lists them) of what a hard rule or the
    floor protects, the candidate would protect less, and the approval does not list.
    `log_problem` is why the audit trail does not hold, or None."""

    environment: str
    region: str
    share_permille: int
    seconds: int
    evaluated: int
    failures: int
    more: int
    less: int
    losses: tuple[str, ...]
    latency_ratio_permille: int
    log_problem: str | None

    def question(self) -> dict[str, canonical.Value]:
        """What the bundle's rules are asked over."""
        return {
            "environment": self.environment,
            "evaluated": self.evaluated,
            "failures": self.failures,
            "latency_ratio_permille": self.latency_ratio_permille,
            "log_healthy": self.log_problem is None,
            "never_filter_loss": len(self.losses),
            "region": self.region,
        }

    def record(self) -> dict[str, canonical.Value]:
        """What an entry holds of it."""
        return {
            **self.question(),
            "less": self.less,
            "more": self.more,
            "seconds": self.seconds,
            "share_permille": self.share_permille,
        }


def measure(
    meter: ShadowMeter,
    step: Step,
    listed: Collection[str],
    log_problem: str | None,
    seconds: int,
) -> Measurements:
    """The step's measurements: evaluations where the step is, losses anywhere."""
    evaluated, failures = meter.count(step.environment, step.region)
    return Measurements(
        environment=step.environment,
        region=step.region,
        share_permille=step.share_permille,
        seconds=seconds,
        evaluated=evaluated,
        failures=failures,
        more=meter.more,
        less=meter.less,
        losses=unlisted_losses(meter, listed),
        latency_ratio_permille=_latency(meter),
        log_problem=log_problem,
    )


def anywhere(step: Step) -> Step:
    """The step, looked at wherever the candidate was asked: a place without traffic has nothing
    else to be judged by."""
    return Step(ANY, ANY, step.share_permille)


def unlisted_losses(meter: ShadowMeter, listed: Collection[str]) -> tuple[str, ...]:
    """Sorted names of losses that the approval does not list."""
    names = {
        loss_name(process_class, protecting_control(settled))
        for process_class, settled in meter.losses.items()
    }
    if len(meter.losses) >= MAX_LOSSES:  # the meter holds no more: what came later is not known
        names.add(f"more than {MAX_LOSSES} classes, which are too many to name")
    return tuple(sorted(names - set(listed)))


def urgent_failures(found: Measurements) -> list[str]:
    """What halts a rollout at once."""
    failures = []
    if found.losses:
        names = ", ".join(found.losses[:NAMED_LOSSES])
        rest = len(found.losses) - NAMED_LOSSES
        failures.append(
            f"never-filter loss: the approval does not list {names}"
            + (f" and {rest} more" if rest > 0 else "")
        )
    if found.log_problem is not None:
        failures.append(f"audit trail: {found.log_problem[:500]}")
    return failures


def judged_failures(found: Measurements, limits: GateLimits) -> list[str]:
    """What halts it once enough was seen to judge by."""
    failures = []
    if found.failures * 1000 > found.evaluated * limits.failure_permille:
        failures.append(
            f"failures: {found.failures} of {found.evaluated} evaluations, "
            f"{limits.failure_permille} permille are allowed"
        )
    if found.latency_ratio_permille > limits.latency_ratio_permille:
        failures.append(
            f"latency: {found.latency_ratio_permille} permille of the active bundle's, "
            f"{limits.latency_ratio_permille} are allowed"
        )
    return failures


def gate_record(found: Measurements, is_thin: bool) -> Mapping[str, canonical.Value]:
    """The gate as it stands in the log. `is_thin`: fewer were seen than were wanted, and the step
    waited longer for them."""
    return {**found.record(), "is_thin": is_thin}


def _latency(meter: ShadowMeter) -> int:
    return (
        meter.latency_ratio_permille() if len(meter.active_seconds) >= MIN_TIMED else EVEN_PERMILLE
    )
