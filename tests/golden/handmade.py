"""The hand-made part of the corpus: questions and answers that people wrote."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.golden.cases import HOME, open_windows, propose

PATH = Path(__file__).with_name("handmade.yaml")


@dataclass(frozen=True, slots=True)
class Handmade:
    """`answer` says of the verdict what must hold (see the head of handmade.yaml)."""

    case: str
    question: dict[str, Any]
    answer: dict[str, Any]

    def faults(self, verdict: dict[str, Any]) -> list[str]:
        """What the verdict lacks of the answer; empty when it holds."""
        controls = {reason["control"] for reason in verdict["reasons"]}
        types = [duty["type"] for duty in verdict["obligations"]]
        plain = ("action", "decision", "sample_permille", "ttl_seconds")
        faults = [
            f"{name} is {verdict[name]}, not {self.answer[name]}"
            for name in plain
            if name in self.answer and verdict[name] != self.answer[name]
        ]
        wanted, unwanted = self.answer.get("controls", []), self.answer.get("lacks", [])
        faults += [f"{control} is missing" for control in wanted if control not in controls]
        faults += [f"{control} is there" for control in unwanted if control in controls]
        duties = self.answer.get("obligations", [])
        faults += [f"{duty} is missing" for duty in duties if duty not in verdict["obligations"]]
        if "types" in self.answer and types != self.answer["types"]:
            faults.append(f"obligations are {types}, not {self.answer['types']}")
        return faults


def load_handmade(path: Path = PATH) -> list[Handmade]:
    """Every hand-made case, each a question of one proposal."""
    return [_case(entry) for entry in yaml.safe_load(path.read_bytes())]


def _case(entry: dict[str, Any]) -> Handmade:
    known = {"case", "name", "process", "sender", "windows", "proposal", "answer"}
    if not set(entry) <= known or ("name" in entry) == ("process" in entry):
        raise ValueError(f"a case has a name or a process, and nothing unknown: {entry}")
    proposal = {"ref": "0", **propose(entry.get("name"))}
    proposal["process"] |= entry.get("process", {})
    proposal |= entry.get("proposal", {})
    question = {
        "subject": HOME | entry.get("sender", {}),
        "context": open_windows(*entry.get("windows", [])),
        "proposals": [proposal],
    }
    return Handmade(entry["case"], question, entry["answer"])
