"""What a live gateway's log says by its bytes alone, read by docs/formats.md and by nothing of the
code that wrote it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from gateway.transparency.entry import Entry
from gateway.transparency.report import check_database
from gateway.transparency.verdict import Word
from tests.fakes.live_gateway import LiveGateway

SERVING = (
    *("bundle.activated", "rollout.stepped", "rollout.halted", "rollout.ended"),
    *("protection.added", "protection.removed", "exception.granted", "exception.ended"),
)
JOURNAL = (
    *SERVING,
    *("change.staged", "change.tested", "change.assessed", "change.approved", "change.rejected"),
    *("payloads.purged", "payloads.erased", "entries.purged"),
    *("hold.placed", "hold.released", "key.handed-over"),
)


@dataclass(frozen=True, slots=True)
class Line:
    """One entry."""

    seq: int
    time_us: int
    type: str
    actor: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Period:
    """What was in force from one activation number to the next. `candidate` is empty without a
    rollout."""

    activation: int
    bundle: str
    revision: str
    candidate: str


@dataclass(frozen=True, slots=True)
class Cited:
    """A recorded verdict that a `decisions` entry cites, with the entry that holds it."""

    evaluation: Line
    verdict: Mapping[str, Any]
    count: int


class Reading:
    """The log of a workplace as it lies in the database now."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = {entry.seq: _line(entry) for entry in entries}
        self.periods: dict[int, Period] = {}
        self._verify_journal()

    @classmethod
    def of(cls, gateway: LiveGateway) -> "Reading":
        return cls(gateway.entries())

    def types(self, kind: str) -> list[Line]:
        """All entries of one type."""
        return [entry for entry in self.entries.values() if entry.type == kind]

    def about(self, kind: str, change_id: str) -> list[Line]:
        """Entries of one type about one change."""
        return [entry for entry in self.types(kind) if entry.body["id"] == change_id]

    def cited(self, decision: Line) -> list[Cited]:
        """The verdicts of a `decisions` entry."""
        found = []
        for seq, position, count in decision.body["verdicts"]:
            evaluation = self.entries[seq]
            found.append(
                Cited(evaluation, evaluation.body["items"][position]["verdict"], int(count))
            )
        return found

    def verify_decisions(self) -> int:
        """Each `decisions` entry was made under what was in force just then, and so was each
        verdict that it cites; how many there are. One number has one floor."""
        number = 0
        floors: dict[int, str] = {}
        for entry, newest in self._with_newest():
            if entry.type == "decisions":
                number += 1
                assert entry.body["activation"] == newest, (
                    f"entry {entry.seq} was recorded under {entry.body['activation']} "
                    f"after activation {newest}"
                )
                for cited in self.cited(entry):
                    self._verify_evaluation(cited.evaluation, entry.seq, newest)
            elif entry.type == "evaluations":
                self._verify_evaluation(entry, entry.seq + 1, newest)
                floor = entry.body["floor"]
                assert floors.setdefault(newest, floor) == floor, (entry.seq, newest)
        return number

    def verify_answer(self, answer: httpx.Response) -> None:
        """The verdicts of an answer are of the bundle that was in force under its number."""
        body = answer.json()
        policy = body["policy"]
        period = self.periods[policy["activation"]]
        if any(verdict["effect"] != "fail_safe" for verdict in body["verdicts"]):
            named = (policy["bundle"], policy["revision"])
            assert named == (period.bundle, period.revision), (policy, period)

    def _verify_evaluation(self, entry: Line, before: int, activation: int) -> None:
        body = entry.body
        period = self.periods[activation]
        assert entry.type == "evaluations"
        assert entry.seq < before
        assert body["activation"] == activation, (entry.seq, body["activation"], activation)
        assert body["bundle"] == period.bundle
        candidate = body["candidate"]
        assert (body["lane"] == "canary") == (candidate is not None)
        if candidate is not None:
            assert candidate["bundle"] == period.candidate

    def _with_newest(self) -> Iterator[tuple[Line, int]]:
        newest = -1
        for seq in sorted(self.entries):
            entry = self.entries[seq]
            if entry.type in SERVING:
                newest = seq
            yield entry, newest

    def _verify_journal(self) -> None:
        """Each journal entry names the one before it; note what was in force when."""
        prior, candidates = None, dict[str, str]()
        bundle = revision = candidate = ""
        for entry, _ in self._with_newest():
            if entry.type not in JOURNAL:
                continue
            body = entry.body
            assert body["prior"] == prior, (entry.seq, body["prior"], prior)
            prior = entry.seq
            if entry.type == "change.staged":
                candidates[f"c{entry.seq}"] = body["subject"].get("bundle", "")
            elif entry.type == "bundle.activated":
                bundle, revision, candidate = body["bundle"], body["revision"], ""
                assert body["activation"] == entry.seq
            elif entry.type == "rollout.stepped":
                candidate = candidates[body["id"]]
            elif entry.type == "rollout.ended":
                candidate = ""
            if entry.type in SERVING:
                self.periods[entry.seq] = Period(entry.seq, bundle, revision, candidate)


def _line(entry: Entry) -> Line:
    return Line(entry.seq, entry.time_us, entry.type, entry.actor, entry.body)


def verify_whole(gateway: LiveGateway, anchor: str = "") -> None:
    """The log verifies with the product's verifier; with an anchor (a signed note that somebody got
    from the gateway) as far as it, too."""
    files = []
    if anchor:
        files.append(gateway.workplace.folder / "anchor")
        files[0].write_text(anchor, encoding="utf-8")
    key = str(gateway.workplace.log_key)
    found = check_database(gateway.workplace.database, key, None, files)
    wanted = (Word.OK, Word.OK_UNSEALED) if anchor else (Word.UNANCHORED,)
    assert found.word in wanted, found
