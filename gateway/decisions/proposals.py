"""Proposals, decoded once at the edge into values that hash and compare in C.

The process's attributes become a structure with the fields that the bundle declares and no others:
what is not declared is skipped by the decoder and can reach nothing.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any

import msgspec

from gateway.decisions.items import MAX_DEPTH, Item, cut_items, split_members
from gateway.errors import InputError, TooLargeError
from gateway.wire.classes import ClassDeclaration, ProcessClass, Sender, project
from gateway.wire.verdicts import Action

MAX_PROPOSALS = 1000
MAX_ATTRIBUTE_CHARACTERS = 1024

Ref = Annotated[str, msgspec.Meta(max_length=128)]
Text64 = Annotated[str, msgspec.Meta(max_length=64)]
Text256 = Annotated[str, msgspec.Meta(max_length=256)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Attribute = Annotated[str, msgspec.Meta(max_length=MAX_ATTRIBUTE_CHARACTERS)]

_TOO_DEEP = f"nested deeper than {MAX_DEPTH}"


@dataclass(frozen=True, slots=True)
class BadProposal:
    """A proposal that could not be read: kept, with the error."""

    ref: str
    detail: str


class _RefOnly(msgspec.Struct):
    ref: Ref


class _Items(msgspec.Struct):
    proposals: list[msgspec.Raw]


def _sendable_ref(ref: Any) -> str:
    """The ref where it can be sent back, else empty."""
    if not isinstance(ref, str) or len(ref) > 128 or any("\ud800" <= c <= "\udfff" for c in ref):
        return ""
    return ref


def _scan_ref(item: bytes) -> str:
    """The last ref of an item that cannot be decoded, else empty."""
    try:
        refs = [value for name, value in split_members(item) if name == "ref"]
        if not refs or not refs[-1].text.startswith(b'"'):
            return ""
        return _sendable_ref(json.loads(refs[-1].text.decode("utf-8", "surrogateescape")))
    except (InputError, ValueError):
        return ""


class ProposalReader:
    """Decodes request bodies for one class declaration.

    A proposal has the fields `ref`, `process` (a frozen structure), `action`, `sample_rate`,
    `score` and `profile`. `scorer` and `why` are checked for length, and are the collector's.
    """

    def __init__(self, declaration: ClassDeclaration) -> None:
        self.declaration = declaration
        # The score's bucket; scores repeat, so the newest few thousand are remembered.
        self.bucket_of = lru_cache(maxsize=4096)(declaration.bucket)
        fields = {f"a{index}": name for index, name in enumerate(declaration.attributes)}
        self._fields = tuple(fields.items())
        process = msgspec.defstruct(
            "Process",
            [(field, Attribute | None, None) for field in fields],
            rename=fields,
            frozen=True,
            gc=False,
        )
        self._proposal = msgspec.defstruct(
            "Proposal",
            [
                ("ref", Ref),
                ("process", process),
                ("action", Action),
                ("sample_rate", Share | None, None),
                ("score", Share | None, None),
                ("profile", Text64, ""),
                ("scorer", Text64 | None, None),
                ("why", Text256 | None, None),
            ],
            gc=False,
        )
        batch = msgspec.defstruct("Batch", [("proposals", list[self._proposal])])  # type: ignore[name-defined]
        self._batch: msgspec.json.Decoder[Any] = msgspec.json.Decoder(batch)
        self._one = msgspec.json.Decoder(self._proposal)
        self._items = msgspec.json.Decoder(_Items)
        self._ref = msgspec.json.Decoder(_RefOnly)

    def read(self, body: bytes) -> Sequence[Any]:
        """Proposals by position, a `BadProposal` where one is unreadable.

        Raises InputError when the body around them is malformed, TooLargeError past the limit.
        """
        try:
            proposals: Sequence[Any] = self._batch.decode(body).proposals
        except (msgspec.ValidationError, UnicodeDecodeError):
            proposals = self._read_singly(body)
        except msgspec.DecodeError:
            proposals = self._read_leniently(body)
        except RecursionError:
            proposals = self._read_cut(body)
        if not proposals:
            raise InputError("proposals is empty; send 1 to 1,000")
        if len(proposals) > MAX_PROPOSALS:
            raise TooLargeError(f"{len(proposals)} proposals; send at most {MAX_PROPOSALS}")
        return proposals

    def _read_singly(self, body: bytes) -> Sequence[Any]:
        try:
            items = self._items.decode(body).proposals
        except RecursionError:
            return self._read_cut(body)
        except (msgspec.ValidationError, UnicodeDecodeError) as error:
            raise InputError(f"the body must be an object with proposals: {error}"[:200]) from None
        except msgspec.DecodeError:
            return self._read_leniently(body)
        if len(items) > MAX_PROPOSALS:
            raise TooLargeError(f"{len(items)} proposals; send at most {MAX_PROPOSALS}")
        return [self._read_one(item) for item in items]

    def _read_leniently(self, body: bytes) -> Sequence[Any]:
        """Python's own reader also takes NaN and lone surrogates (`"\\udcff"`, how Python spells
        a name that is not UTF-8), so that only the items that hold them are bad."""
        try:
            value = json.loads(body.decode("utf-8", "surrogateescape"))
        except (ValueError, RecursionError):
            return self._read_cut(body)
        items = value.get("proposals") if isinstance(value, dict) else None
        if not isinstance(items, list):
            raise InputError("the body must be an object with proposals")
        if len(items) > MAX_PROPOSALS:
            raise TooLargeError(f"{len(items)} proposals; send at most {MAX_PROPOSALS}")
        return [self._read_value(item) for item in items]

    def _read_cut(self, body: bytes) -> Sequence[Any]:
        """What no reader takes as a whole (depth, numbers of thousands of digits), item by item."""
        items = cut_items(body)
        if len(items) > MAX_PROPOSALS:
            raise TooLargeError(f"too many proposals; send at most {MAX_PROPOSALS}")
        return [self._read_item(item) for item in items]

    def _read_item(self, item: Item) -> Any:
        if item.depth > MAX_DEPTH:
            return BadProposal(_scan_ref(item.text), _TOO_DEEP)
        try:
            return self._one.decode(item.text)
        except (msgspec.DecodeError, UnicodeDecodeError):
            pass
        try:
            value = json.loads(item.text.decode("utf-8", "surrogateescape"))
        except ValueError:
            return BadProposal(_scan_ref(item.text), "not JSON that can be read")
        return self._read_value(value)

    def _read_value(self, item: Any) -> Any:
        ref = _sendable_ref(item.get("ref") if isinstance(item, dict) else None)
        try:
            return self._one.decode(json.dumps(item, ensure_ascii=False))
        except UnicodeError:
            return BadProposal(ref, "text that has no UTF-8 form")
        except RecursionError:
            return BadProposal(ref, _TOO_DEEP)
        except msgspec.DecodeError as error:
            return BadProposal(ref, str(error)[:200])

    def _read_one(self, item: msgspec.Raw) -> Any:
        try:
            return self._one.decode(item)
        except RecursionError:
            return BadProposal(_scan_ref(bytes(item)), _TOO_DEEP)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return BadProposal(self._ref_of(item), str(error)[:200])

    def _ref_of(self, item: msgspec.Raw) -> str:
        try:
            return self._ref.decode(item).ref
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return ""

    def class_of(self, proposal: Any, sender: Sender) -> ProcessClass:
        """The proposal's class; raises ValueError where action and sample_rate disagree."""
        attributes = {name: getattr(proposal.process, field) for field, name in self._fields}
        return project(
            self.declaration,
            sender,
            attributes,
            proposal.action,
            proposal.sample_rate,
            proposal.score,
            proposal.profile,
        )
