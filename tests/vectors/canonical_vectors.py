"""canonical.json and entries.json: what has canonical bytes, and what is no entry."""

import json
from typing import Any

from tests.vectors.reference import ACTOR, LOG_KEY, ORIGIN, canonical, entry, leaf

LARGEST = 2**53 - 1
VALUES: dict[str, Any] = {
    "literals": [None, True, False],
    "numbers at the limits": [0, 1, -1, LARGEST, -LARGEST, 10**15],
    "empty": [{}, [], ""],
    "key order by UTF-16 code units": {
        "\ue000": "private use, one unit E000",
        "\U00010000": "surrogate pair D800 DC00, before E000",
        "\uffff": "last of the BMP",
        "\U0010ffff": "surrogate pair DBFF DFFF",
        "\ud7ff": "before the surrogates",
        "\U0001f600": "surrogate pair D83D DE00",
        "": "empty",
        "a": "",
        "A": "",
        "aa": "",
        "é": "composed",
        "e\u0301": "not composed: no normalisation",
        "\u0000": "nul",
        "10": "",
        "9": "",
    },
    "escapes": 'quote " backslash \\ slash / \b\f\n\r\t \u0000\u001f \u007f\u0080\u2028\u2029',
    "unicode": "é € \U0001f600 \ufeff \ufffd \ue000 \u200d",
    "nested": {"b": [{"d": 1, "c": [[], [{}]]}], "a": {"z": {"y": None}}},
    "sixty-four levels": None,  # filled below
}
for _level in range(63):
    VALUES["sixty-four levels"] = [VALUES["sixty-four levels"]]
REFUSED = {
    "a fraction": b"1.5",
    "a fraction of nought": b"1.0",
    "an exponent": b"1e3",
    "minus nought": b"-0",
    "minus nought inside": b'{"a":-0}',
    "a leading zero": b"01",
    "a plus": b"+1",
    "past 2^53-1": b"9007199254740992",
    "past -(2^53-1)": b"-9007199254740992",
    "far past": b"1" * 400,
    "not a number": b"NaN",
    "infinity": b"[Infinity]",
    "space at the end": b"{} ",
    "a line break": b'{"a":\n1}',
    "space after a comma": b"[1, 2]",
    "two values": b"1 2",
    "nothing": b"",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "a trailing comma": b"[1,]",
    "single quotes": b"{'a':1}",
    "keys out of order": b'{"b":1,"a":2}',
    "keys in the order of code points": '{"\ue000":1,"\U00010000":2}'.encode(),
    "a key twice": b'{"a":1,"a":1}',
    "an escaped slash": b'"\\/"',
    "an escaped letter": b'"\\u0061"',
    "an escape in capitals": b'"\\u001F"',
    "a long escape of a line feed": b'"\\u000a"',
    "an escaped pair": b'"\\ud83d\\ude00"',
    "a lone surrogate": b'"\\ud800"',
    "a surrogate in UTF-8": b'"\xed\xa0\x80"',
    "not UTF-8": b'"\xff"',
    "an overlong form": b'"\xc0\xaf"',
    "a control character": b'"\x01"',
    "sixty-five levels": b"[" * 64 + b"null" + b"]" * 64,
}
BODIES: list[Any] = [
    {"checkpoint_key": LOG_KEY.vkey},
    {"version": "0.1.0", "instance": "one"},
    {"text": 'quote " backslash \\ newline \n bell \u0007 é € \U0001f600'},
    {"\U00010000": 1, "\ue000": 2, "": 3, "a": [True, False, None, -1, LARGEST]},
    {"activation": 3, "verdicts": [[1, 0, 12], [1, 1, 1]], "fail_safe": {}},
    {},
    {"deep": [[[[{"b": 1, "a": 2}]]]]},
    {"long": "x" * 1_000},
]


def canonical_vectors() -> dict[str, Any]:
    """`input` is JSON text in another form than `canonical`, its bytes."""
    return {
        "values": [
            {
                "name": name,
                "input": json.dumps(value, ensure_ascii=True, indent=1),
                "canonical": canonical(value).encode().hex(),
            }
            for name, value in VALUES.items()
        ],
        "refused": [{"name": name, "bytes": data.hex()} for name, data in REFUSED.items()],
    }


def chain() -> list[bytes]:
    """The log of the vectors."""
    entries: list[bytes] = []
    prev = bytes(32)
    for seq, body in enumerate(BODIES):
        entries.append(entry(seq, prev, body))
        prev = leaf(entries[-1])
    return entries


def entry_vectors() -> dict[str, Any]:
    """A chain, and what must not pass for an entry."""
    return {
        "log": ORIGIN,
        "entries": [
            {"seq": seq, "bytes": data.hex(), "leaf_hash": leaf(data).hex()}
            for seq, data in enumerate(chain())
        ],
        "refused": [{"name": name, "bytes": data.hex()} for name, data in _no_entries().items()],
    }


def _no_entries() -> dict[str, bytes]:
    prev = bytes(32)
    good = entry(0, prev, {})
    full = 65_535 - len(entry(0, prev, {"x": ""}))
    changed: dict[str, dict[str, Any]] = {
        "another version": {"v": 2},
        "a version that is true": {"v": True},
        "a negative number": {"seq": -1},
        "a number as text": {"seq": "0"},
        "a number that is false": {"seq": False},
        "an empty type": {"type": ""},
        "an empty log": {"log": ""},
        "no actor": {"actor": None},
        "a body that is a list": {"body": []},
        "a hash too short": {"prev": "00" * 31},
        "a hash in capitals": {"prev": "AA" * 32},
        "a time without microseconds": {"time": "2026-01-02T03:04:05Z"},
        "a time with an offset": {"time": "2026-01-02T03:04:05.000006+00:00"},
        "a day that is not": {"time": "2026-02-30T03:04:05.000006Z"},
        "an hour that is not": {"time": "2026-01-02T24:04:05.000006Z"},
        "a leap second": {"time": "2026-01-02T03:04:60.000006Z"},
        "a field too many": {"more": 1},
    }
    made = {name: entry(0, prev, {}, fields) for name, fields in changed.items()}
    made["a field too few"] = canonical({"v": 1, "log": ORIGIN, "actor": ACTOR}).encode()
    made["65,536 bytes"] = entry(0, prev, {"x": "y" * (full + 1)})
    made["a space"] = good + b" "
    made["a list"] = b"[]"
    made["nothing"] = b""
    return made
