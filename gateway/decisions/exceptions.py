"""Break-glass: live exceptions from soft rules (docs/formats.md section 11, Exceptions). They never
reach hard rules or the floor: what they may lift is decided here and nowhere else."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from gateway import canonical
from gateway.decisions.floor import is_cut, names_of
from gateway.engine.port import RuleVerdict
from gateway.wire.classes import ProcessClass
from gateway.wire.patterns import Pattern
from gateway.wire.verdicts import Reason

HASH_DOMAIN = b"compliance-gateway/exceptions/v1\n"
NO_EXCEPTIONS = "0" * 64


@dataclass(frozen=True, slots=True)
class LiveException:
    """One exception. `rules` are rule names or control ids; empty environment or region: any."""

    id: str
    rules: frozenset[str]
    pattern: Pattern
    environment: str
    region: str
    reason: str
    expires_us: int
    expires: str

    def lifts(self, reason: Reason, process_class: ProcessClass) -> bool:
        """Whether it is from the rule that gave the reason, for this class: every name that the
        class has must match and none may be cut, since an exception lets data go."""
        sender = process_class.sender
        attributes = dict(process_class.attributes)
        names = names_of(attributes)
        return (
            (reason.rule in self.rules or reason.control in self.rules)
            and self.environment in ("", sender.environment)
            and self.region in ("", sender.region)
            and bool(names)
            and not is_cut(attributes, names)
            and all(map(self.pattern.matches, names))
        )


@dataclass(frozen=True, slots=True)
class Exceptions:
    """The exceptions that were granted and have not ended."""

    granted: tuple[LiveException, ...] = ()

    def live(self, now_us: int) -> "Exceptions":
        """Those that have not expired by the gateway's clock."""
        return Exceptions(tuple(one for one in self.granted if now_us < one.expires_us))

    @property
    def ends_us(self) -> int | None:
        """When the first of them expires; None without any."""
        return min((one.expires_us for one in self.granted), default=None)

    @property
    def hash(self) -> str:
        """What an evaluations entry pins."""
        if not self.granted:
            return NO_EXCEPTIONS
        ids: list[canonical.Value] = sorted(one.id for one in self.granted)  # type: ignore[assignment]
        return hashlib.sha256(HASH_DOMAIN + canonical.encode(ids)).hexdigest()

    def lift(self, process_class: ProcessClass, rules: RuleVerdict) -> RuleVerdict:
        """What remains of the rules' verdict: the proposal where every protecting reason is soft
        and lifted, else the verdict as it is."""
        if not self.granted or rules.decision != "protect":
            return rules
        protecting = [reason for reason in rules.reasons if reason.level != "advisory"]
        bound = any(obligation.get("type") == "no_sampling" for obligation in rules.obligations)
        if not protecting or bound or any(reason.level != "soft" for reason in protecting):
            return rules
        used: dict[str, LiveException] = {}
        for reason in protecting:
            found = self._first(reason, process_class)
            if found is None:
                return rules
            used[found.id] = found
        return RuleVerdict(
            decision="permit",
            action=process_class.action,
            sample_permille=process_class.sample_permille,
            reasons=(*_named(list(used.values())), *rules.reasons),
            obligations=rules.obligations,
            ttl_seconds=rules.ttl_seconds,
        )

    def _first(self, reason: Reason, process_class: ProcessClass) -> LiveException | None:
        return next((one for one in self.granted if one.lifts(reason, process_class)), None)


NONE_GRANTED = Exceptions()


def _named(used: Sequence[LiveException]) -> list[Reason]:
    return [
        Reason(
            control=f"EXCEPTION/{one.id}",
            rule="gateway.exceptions",
            level="soft",
            message=f"break-glass until {one.expires}: {one.reason}",
            remediation="it ends by itself; `gateway exception revoke` ends it now",
        )
        for one in used
    ]
