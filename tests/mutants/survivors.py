"""The list of mutants that may survive, each with its reason."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from tests.mutants.mutant import Identity

_MEMBERS = {"path", "place", "operator", "edits", "reason"}


def load_survivors(path: Path) -> dict[Identity, str]:
    """The reason of each listed survivor; raises ValueError for an entry that says too little.

    Form: a list of `{path, place, operator, edits: [edit, or {edit, nth}], reason}`."""
    reasons: dict[Identity, str] = {}
    for entry in yaml.safe_load(path.read_bytes()) or []:
        for identity in _identities(entry):
            if identity in reasons:
                raise ValueError(f"{path.name}: listed twice: {identity}")
            reasons[identity] = " ".join(entry["reason"].split())
    return reasons


def _identities(entry: Any) -> Iterable[Identity]:
    if not isinstance(entry, dict) or set(entry) != _MEMBERS or not str(entry["reason"]).strip():
        raise ValueError(f"a survivor needs exactly {sorted(_MEMBERS)} and a reason: {entry}")
    for edit in entry["edits"]:
        text, nth = (edit["edit"], edit["nth"]) if isinstance(edit, dict) else (edit, 1)
        yield Identity(entry["path"], entry["place"], entry["operator"], text, nth)
