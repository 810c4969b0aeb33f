"""The change queue as people use it: what each command may do is decided on the newest state, and
what a command says twice, because its answer was lost, happens once."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence

from gateway import canonical
from gateway.audit.port import Draft
from gateway.bundles.folder import Bundle
from gateway.bundles.signed import SignedBundle
from gateway.changes import approvals, candidates, requests, scope, views
from gateway.changes.approvals import Approving
from gateway.changes.candidates import Candidate
from gateway.changes.journal import Decide, JournalDraft, Records
from gateway.changes.people import Person, Reasons, change_fields, parse_approval, parse_reasons
from gateway.changes.rule_levels import rule_levels
from gateway.changes.scope import ExceptionWish, ProtectionWish
from gateway.changes.state import Change, Governance, Kind
from gateway.changes.views import View
from gateway.clock import Clock, format_time
from gateway.errors import BundleError, ChangeRefusedError, ConflictError, GatewayError

_HOUR_US = 3_600_000_000
_MAX_REFUSAL_CHARACTERS = 1_000

OpenBundle = Callable[[bytes], SignedBundle]


class ChangeService:
    """The commands. Each raises InputError for what cannot be read, ChangeRefusedError for what may
    not be, ConflictError where others were first, LogUnavailableError."""

    def __init__(self, records: Records, open_bundle: OpenBundle, clock: Clock) -> None:
        """`open_bundle(archive)` raises BundleError unless a configured key signed it."""
        self._journal = records.journal
        self._log = records.log
        self._store = records.store
        self._open_bundle = open_bundle
        self._clock = clock
        self._opening = asyncio.Lock()  # each costs tenths of a second of a processor
        self._levels: tuple[str, Mapping[str, str]] = ("", {})

    async def stage_bundle(self, person: Person, archive: bytes, justification: str) -> View:
        """A bundle for the queue. One that is refused leaves an entry with the reason, and what is
        in force as it was."""
        reasons = parse_reasons(justification)
        try:
            candidate = await self._take(archive)
            state = await self._append(
                person, lambda state: candidates.stage_drafts(state, person, candidate, reasons)
            )
        except (BundleError, ChangeRefusedError) as error:
            await self._record_refusal(person, archive, str(error), reasons)
            raise ChangeRefusedError(f"the bundle is refused: {error}") from None
        return self._summary(state, _standing(state, Kind.BUNDLE, candidate.bundle))

    async def approve(
        self,
        person: Person,
        change_id: str,
        said: Approving,
        justification: str,
        approval_id: str,
    ) -> View:
        """A second person's approval; an exception is granted by it."""
        reasons = parse_approval(justification, approval_id)
        named = approvals.change_named(await self._journal.refresh(), change_id)
        if named.kind is Kind.EXCEPTION:
            await self._read_levels()

        def decide(state: Governance) -> list[JournalDraft]:
            change = approvals.change_named(state, change_id)
            if change.kind is Kind.EXCEPTION and change.approval is None:
                scope.verify_soft(change.subject["rules"], self._levels_of(state))
            return approvals.approval_drafts(state, person, change, said, reasons)

        state = await self._append(person, decide)
        return self._summary(state, state.changes[change_id])

    async def reject(self, person: Person, change_id: str, justification: str) -> View:
        """Ends a change that waits, a rollout, or a protection that nobody confirmed."""
        reasons = parse_reasons(justification)

        def decide(state: Governance) -> list[JournalDraft]:
            change = approvals.change_named(state, change_id)
            return approvals.rejection_drafts(state, person, change, reasons)

        state = await self._append(person, decide)
        return self._summary(state, state.changes[change_id])

    async def protect(self, person: Person, wish: ProtectionWish) -> View:
        """A row of the floor, at once; approved afterwards."""
        reasons = parse_reasons(wish.reason)
        state = await self._append(
            person, lambda state: requests.protection_drafts(state, person, wish, reasons)
        )
        change = requests.standing_protection(state, wish)
        if change is None:  # somebody else has rejected it since
            raise ChangeRefusedError("the protection was rejected meanwhile")
        return self._summary(state, change)

    async def request_exception(self, person: Person, wish: ExceptionWish) -> View:
        """An exception from soft rules, for somebody else to approve."""
        reasons = parse_reasons(wish.reason)
        expires = format_time(self._clock.now_us() + wish.hours * _HOUR_US)
        await self._read_levels()

        def decide(state: Governance) -> list[JournalDraft]:
            scope.verify_soft(wish.rules, self._levels_of(state))
            return requests.exception_drafts(state, person, wish, expires, reasons)

        state = await self._append(person, decide)
        change = requests.standing_request(state, wish)
        if change is None:
            raise ChangeRefusedError("the exception was rejected meanwhile")
        return self._summary(state, change)

    async def revoke_exception(self, person: Person, change_id: str, justification: str) -> View:
        """Ends a live exception now; whoever asked for it may, since it protects more."""
        reasons = parse_reasons(justification)
        state = await self._append(
            person, lambda state: requests.revoke_drafts(state, person, change_id, reasons)
        )
        return self._summary(state, state.changes[change_id])

    async def rollback(self, person: Person, to: str, justification: str) -> View:
        """While a rollout stands: halts it. Else stages the earlier bundle that `to` names (a
        revision or a hash; empty: the one before) and gives everybody the more protective of both
        until somebody else approves."""
        reasons = parse_reasons(justification)
        rollout = (await self._journal.refresh()).rollout
        if rollout is not None:
            return await self._halt(person, to, reasons)
        target = candidates.target_of(self._journal.state, to)
        await self._open_kept(target.bundle)
        state = await self._append(
            person, lambda state: candidates.rollback_drafts(state, person, target, reasons)
        )
        return self._summary(state, _standing(state, Kind.ROLLBACK, target.bundle))

    async def list_changes(self, *, with_past: bool = False) -> View:
        """What is in force and what waits for whom."""
        return views.list_view(await self._journal.refresh(), with_past=with_past)

    async def show_change(self, change_id: str) -> View | None:
        """The whole of a change, with all losses by name; None where there is none."""
        state = await self._journal.refresh()
        change = state.changes.get(change_id)
        if change is None:
            return None
        report = None
        if change.assessment is not None:
            report = await asyncio.to_thread(self._store.get, change.assessment.report)
        return views.change_view(state, change, views.report_losses(change, report))

    async def list_exceptions(self) -> View:
        """Live exceptions."""
        return views.exceptions_view(await self._journal.refresh())

    async def _halt(self, person: Person, to: str, reasons: Reasons) -> View:
        if to:
            raise ChangeRefusedError(
                "a rollout stands; a rollback without a target halts it, and once an approver has "
                "ended it, a rollback may name an earlier bundle"
            )
        state = await self._append(
            person, lambda state: candidates.halt_drafts(state, person, reasons)
        )
        if state.rollout is None:
            raise ChangeRefusedError("the rollout was ended meanwhile")
        return self._summary(state, state.changes[state.rollout.id])

    async def _take(self, archive: bytes) -> Candidate:
        """The bundle, opened and kept in the store: before the entry that names it."""
        async with self._opening:
            signed = await asyncio.to_thread(self._open_usable, archive)
        bundle = signed.bundle
        await asyncio.to_thread(self._store.put, bundle.hash, signed.archive_bytes)
        return Candidate(bundle.hash, bundle.revision, bundle.version, signed.key_fingerprint)

    def _open_usable(self, archive: bytes) -> SignedBundle:
        signed = self._open_bundle(archive)
        candidates.verify_usable(signed.bundle)
        return signed

    async def _read_levels(self) -> None:
        """Learn how binding the rules of the bundle in force are."""
        active = (await self._journal.refresh()).active
        if active is None:
            raise ChangeRefusedError("nothing is in force yet")
        if self._levels[0] != active.bundle:
            bundle = await self._open_kept(active.bundle)
            self._levels = active.bundle, rule_levels(bundle)

    def _levels_of(self, state: Governance) -> Mapping[str, str]:
        bundle, levels = self._levels
        if state.active is None or state.active.bundle != bundle:
            raise ConflictError("another bundle came into force just now; repeat the command")
        return levels

    async def _open_kept(self, bundle_hash: str) -> Bundle:
        """A bundle out of the store. Raises ChangeRefusedError unless it could be served today: its
        key may have been taken out of the configuration since it was in force."""
        archive = await asyncio.to_thread(self._store.get, bundle_hash)
        if archive is None:
            raise ChangeRefusedError(
                f"bundle {bundle_hash[:16]} is not in the store any more; restore a backup"
            )
        try:
            async with self._opening:
                signed = await asyncio.to_thread(self._open_usable, archive)
        except GatewayError as error:
            raise ChangeRefusedError(f"bundle {bundle_hash[:16]} cannot be used: {error}") from None
        if signed.bundle.hash != bundle_hash:
            raise ChangeRefusedError(
                f"what is stored as bundle {bundle_hash[:16]} is another; restore a backup"
            )
        return signed.bundle

    async def _append(self, person: Person, decide: Decide) -> Governance:
        return await self._journal.append(person.uri, decide)

    async def _record_refusal(
        self, person: Person, archive: bytes, reason: str, reasons: Reasons
    ) -> None:
        active = self._journal.state.active
        digest = hashlib.sha256(archive).hexdigest()
        change = change_fields(
            person, "bundle.stage", active.revision if active else "", "refused", reasons
        )
        body: dict[str, canonical.Value] = {
            "archive": digest,
            "change": change,
            "reason": _printable(reason),
        }
        draft = Draft("bundle.refused", person.uri, canonical.encode(body))
        await self._log.append([draft])

    def _summary(self, state: Governance, change: Change) -> View:
        return views.summary(state, change)


def _standing(state: Governance, kind: Kind, bundle: str) -> Change:
    """The change that was just appended; where it is over by now, its last word."""
    found: Sequence[Change] = [
        one
        for one in state.changes.values()
        if one.kind is kind and one.subject.get("bundle") == bundle
    ]
    return found[-1]


def _printable(reason: str) -> str:
    """A stranger's archive may have put anything into it."""
    text = reason.encode(errors="replace").decode()
    return "".join(c if c.isprintable() else " " for c in text)[:_MAX_REFUSAL_CHARACTERS]
