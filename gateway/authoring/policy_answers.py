"""What the real OPA answers over a bundle's archive, with the findings behind it and the lines that
were true. The archive is the one that the gateway gives to OPA; questions and answers pass through
the gateway's own encoder and reader.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.authoring.opa_program import OpaAnswer, OpaProgram, open_program
from gateway.bundles.folder import Bundle
from gateway.engine.answer import SpoiledAnswerError, read_envelope, read_verdicts
from gateway.engine.port import EngineFailure, RuleVerdict
from gateway.engine.question import encode_question, propose, refs_for
from gateway.errors import BundleError
from gateway.wire.classes import ProcessClass

EVAL_SECONDS = 30.0
_ARCHIVE = "bundle.tar.gz"
_BASE = ["eval", "--bundle", _ARCHIVE, "--strict-builtin-errors", "--format=json"]
_FLAGS = [*_BASE, "--timeout=10s", "--stdin-input"]
# Comprehensions, so that an undefined document is an empty list here and undefined to the reader.
_ONE = """{
    "verdicts": [v | v := data.main.verdicts],
    "found": [f | f := data.rules[a][b].findings[0][_]],
    "duties": [f | f := data.rules[a][b].duties[_]],
}"""
_MANY = (
    "{i: v | some i, question in input.questions; v := data.main.verdicts with input as question}"
)


@dataclass(frozen=True, slots=True)
class Found:
    """One finding of a rule, as the rule gave it: its reason and what it obliges to."""

    rule: str
    control: str
    message: str
    row: str
    obligations: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class PolicyAnswer:
    """One answer. `lines` are, for each file of the bundle, the lines that were true in this one
    evaluation. `said` are OPA's words where it gave no answer."""

    verdict: RuleVerdict | EngineFailure
    found: tuple[Found, ...] = ()
    lines: Mapping[str, tuple[int, ...]] | None = None
    said: str = ""


class PolicyAnswers:
    """Asks one OPA program about one bundle."""

    def __init__(self, program: OpaProgram) -> None:
        self._program = program

    def ask(self, process_class: ProcessClass, windows: Sequence[str]) -> PolicyAnswer:
        """The policies' answer for a class; never raises for a bad answer. Raises BundleError when
        OPA cannot be run and when the policies do not compile."""
        question, asked = _question(process_class, windows)
        answer = self._run(["--coverage", _ONE], question)
        if (failure := _failure(answer)) is not None:
            return PolicyAnswer(failure, said=answer.words())
        document = answer.value()
        value = document["result"][0]["expressions"][0]["value"]
        return PolicyAnswer(
            verdict=_read(value["verdicts"], asked),
            found=tuple(_found(item) for item in (*value["found"], *value["duties"])),
            lines=_true_lines(document.get("coverage", {}).get("files", {})),
        )

    def vary(
        self, cases: Sequence[tuple[ProcessClass, Sequence[str]]]
    ) -> list[RuleVerdict | EngineFailure]:
        """The verdicts of many questions, each as if asked alone, in one run."""
        asked = [_question(process_class, windows) for process_class, windows in cases]
        answer = self._run([_MANY], {"questions": [question for question, _ in asked]})
        if (failure := _failure(answer)) is not None:
            return [failure] * len(cases)
        document = answer.value()
        value = document["result"][0]["expressions"][0]["value"]
        return [
            _read([value[str(at)]] if str(at) in value else [], refs)
            for at, (_, refs) in enumerate(asked)
        ]

    def _run(self, arguments: list[str], question: Any) -> OpaAnswer:
        return self._program.run([*_FLAGS, *arguments], EVAL_SECONDS, json.dumps(question).encode())


@contextmanager
def open_answers(bundle: Bundle, opa: Path) -> Iterator[PolicyAnswers]:
    """OPA over the bundle's archive."""
    with open_program(opa, {_ARCHIVE: bundle.archive}, bundle.files) as program:
        yield PolicyAnswers(program)


def _question(process_class: ProcessClass, windows: Sequence[str]) -> tuple[Any, Any]:
    asked = refs_for([propose(process_class.sender, process_class)])
    body = encode_question(process_class.sender, windows, asked)
    return json.loads(body)["input"], asked


def _read(verdicts: list[Any], asked: Any) -> RuleVerdict | EngineFailure:
    """Through the gateway's strict reader. `verdicts` holds data.main.verdicts, or nothing."""
    envelope = {"result": verdicts[0]} if verdicts else {}
    try:
        (answer,) = read_verdicts(read_envelope(json.dumps(envelope).encode()), asked)
    except SpoiledAnswerError as spoiled:
        return spoiled.failure
    return answer


def _failure(answer: OpaAnswer) -> EngineFailure | None:
    """None for an answer. Raises BundleError for what is no fault of the question."""
    document = answer.value()
    if answer.status == 0 and isinstance(document, dict) and "result" in document:
        return None
    errors = document.get("errors") if isinstance(document, dict) else None
    code = str(errors[0].get("code", "")) if errors else ""
    if not code.startswith("eval_"):
        raise BundleError(f"opa eval: {answer.words()}")
    codes = {"eval_builtin_error": "builtin_error", "eval_cancel_error": "timeout"}
    return EngineFailure(codes.get(code, "evaluation_error"), code)


def _found(item: Mapping[str, Any]) -> Found:
    reason = item["reason"]
    return Found(
        rule=reason["rule"],
        control=reason["control"],
        message=reason["message"],
        # Findings name their row; those of older bundles only at the end of the message.
        row=item.get("row") or reason["message"].removesuffix(")").rpartition("(")[2],
        obligations=tuple(item["obligations"]),
    )


def _true_lines(files: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    lines = {}
    for path, entry in files.items():
        true, untrue = (_rows(entry.get(name)) for name in ("covered", "not_covered"))
        lines[path.lstrip("/")] = tuple(sorted(true - untrue))
    return lines


def _rows(ranges: Any) -> set[int]:
    return {
        row
        for found in ranges or []
        for row in range(found["start"]["row"], found["end"]["row"] + 1)
    }
