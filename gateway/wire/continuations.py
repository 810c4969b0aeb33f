"""Which beginnings of a name an anchored expression could still match (a truncated name's test).

For an expression P whose matches begin at the start of the text, `Pref(P)` accepts exactly the
beginnings of P's matches (a superset where zero-width assertions stand):

    Pref(AB) = Pref(A) | A·Pref(B)
    Pref(A|B) = Pref(A) | Pref(B)
    Pref(A{m,n}) = A{0,n-1}·Pref(A)

The tree comes from Python's own parser of expressions; whatever RE2 and Python read differently is
given up on (None), which callers must take as "could match".
"""

import importlib
import re
import warnings
from collections.abc import Sequence
from typing import Any

_PARSER: Any = importlib.import_module("re._parser")
_NAMES: Any = importlib.import_module("re._constants")

# Constructs that both parsers accept and read differently: POSIX classes, `{,n}`, RE2's \Q..\E.
_READ_DIFFERENTLY = re.compile(r"\[\[|\[:|\{,|\\Q|\\C|\\[pP]|\\Z")
_ESCAPE = re.compile(r"\\(?:x\{([0-9a-fA-F]{1,6})\}|(.))", re.DOTALL)
_POSITIONS = {
    "AT_BEGINNING": "^",
    "AT_BEGINNING_STRING": r"\A",
    "AT_BOUNDARY": r"\b",
    "AT_NON_BOUNDARY": r"\B",
    "AT_END": "$",
    "AT_END_STRING": r"\z",
}
_CATEGORIES = {
    "CATEGORY_DIGIT": r"\d",
    "CATEGORY_NOT_DIGIT": r"\D",
    "CATEGORY_SPACE": r"\s",
    "CATEGORY_NOT_SPACE": r"\S",
    "CATEGORY_WORD": r"\w",
    "CATEGORY_NOT_WORD": r"\W",
}
_FLAGS = {re.IGNORECASE: "i", re.DOTALL: "s"}

Node = tuple[Any, Any]


class _UnreadableError(Exception):
    """The expression has a construct that this module does not rebuild."""


def is_anchored(expression: str) -> bool:
    """Whether every match of an RE2 expression must begin at the start of the text; False when in
    doubt."""
    try:
        nodes, _ = _parse(expression)
    except _UnreadableError:
        return _is_plainly_anchored(expression)
    return _is_sequence_anchored(nodes)


def is_end_free(expression: str) -> bool:
    """Whether a match stays one whatever text follows: no position but the start is asked about.
    False when in doubt."""
    try:
        nodes, _ = _parse(expression)
    except _UnreadableError:
        return False
    return all(_is_node_end_free(node) for node in nodes)


def parse_tree(expression: str) -> tuple[Sequence[Node], str] | None:
    """The nodes of Python's parser and the letters of the flags that hold throughout; None for what
    RE2 and Python read differently."""
    try:
        return _parse(expression)
    except _UnreadableError:
        return None


def prefix_expression(expression: str) -> str | None:
    """An RE2 expression that matches the whole of each text some continuation of which `expression`
    matches (as a search); None when every text must be taken to have such a continuation."""
    try:
        nodes, flags = _parse(expression)
        if not _is_sequence_anchored(nodes):
            return None
        whole, prefix = _emit_sequence(nodes), _emit_prefix(nodes)
    except (_UnreadableError, RecursionError):
        return None
    return rf"\A(?{flags}:(?:{prefix})\z|{whole})"


def _parse(expression: str) -> tuple[Sequence[Node], str]:
    if _READ_DIFFERENTLY.search(expression):
        raise _UnreadableError
    python = _ESCAPE.sub(_write_for_python, expression)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            tree = _PARSER.parse(python)
    except (re.error, Warning, OverflowError, RecursionError):
        raise _UnreadableError from None
    flags = tree.state.flags & ~int(re.UNICODE)
    return list(tree), _flag_letters(flags)


def _write_for_python(escape: re.Match[str]) -> str:
    """RE2 writes the end of the text \\z and a code point \\x{…}; Python \\Z and \\U…"""
    if escape[1]:
        return rf"\U{int(escape[1], 16):08x}"
    return r"\Z" if escape[2] == "z" else escape[0]


def _flag_letters(flags: int) -> str:
    if flags & ~int(re.IGNORECASE | re.DOTALL):
        raise _UnreadableError
    return "".join(letter for flag, letter in _FLAGS.items() if flags & flag)


def _is_plainly_anchored(expression: str) -> bool:
    """For what Python cannot parse: `^` or `\\A` first, no alternatives, no flags."""
    start = re.match(r"(?:\^|\\A)(?![*?+{])", expression)
    return start is not None and "|" not in expression and "(?" not in expression


def _is_sequence_anchored(nodes: Sequence[Node]) -> bool:
    return bool(nodes) and _is_node_anchored(nodes[0])


def _is_node_anchored(node: Node) -> bool:
    kind, argument = str(node[0]), node[1]
    if kind == "AT":
        return str(argument) in ("AT_BEGINNING", "AT_BEGINNING_STRING")
    if kind == "SUBPATTERN":
        return _is_sequence_anchored(list(argument[3]))
    if kind == "BRANCH":
        return all(_is_sequence_anchored(list(branch)) for branch in argument[1])
    if kind in ("MAX_REPEAT", "MIN_REPEAT"):
        return argument[0] >= 1 and _is_sequence_anchored(list(argument[2]))
    return False


def _is_node_end_free(node: Node) -> bool:
    kind, argument = str(node[0]), node[1]
    if kind == "AT":
        return str(argument) in ("AT_BEGINNING", "AT_BEGINNING_STRING")
    if kind == "SUBPATTERN":
        return all(_is_node_end_free(inner) for inner in argument[3])
    if kind == "BRANCH":
        return all(_is_node_end_free(inner) for branch in argument[1] for inner in branch)
    if kind in ("MAX_REPEAT", "MIN_REPEAT"):
        return all(_is_node_end_free(inner) for inner in argument[2])
    return True


def _emit_sequence(nodes: Sequence[Node]) -> str:
    return "".join(_emit(node) for node in nodes)


def _emit_prefix(nodes: Sequence[Node]) -> str:
    """Pref of a sequence, built from its end: Pref(A·rest) = Pref(A) | A·Pref(rest)."""
    prefix = ""
    for node in reversed(nodes):
        own = _prefix_of(node)
        prefix = f"(?:{own}|{_emit(node)}{prefix})"
    return prefix


def _prefix_of(node: Node) -> str:
    kind, argument = str(node[0]), node[1]
    if kind == "SUBPATTERN":
        _, added, removed, nodes = argument
        return _grouped(_emit_prefix(list(nodes)), added, removed)
    if kind == "BRANCH":
        return "(?:" + "|".join(_emit_prefix(list(branch)) for branch in argument[1]) + ")"
    if kind in ("MAX_REPEAT", "MIN_REPEAT"):
        _, most, nodes = argument
        if most == 0:
            return ""
        before = _bounds(0, most if most is _NAMES.MAXREPEAT else most - 1)
        return f"(?:{_emit_sequence(list(nodes))}){before}{_emit_prefix(list(nodes))}"
    return ""  # one character or a position: only its empty beginning ends before it


def _emit(node: Node) -> str:
    kind, argument = str(node[0]), node[1]
    if kind == "LITERAL":
        return _character(argument)
    if kind == "NOT_LITERAL":
        return f"[^{_character(argument)}]"
    if kind == "ANY":
        return "."
    if kind == "IN":
        return _emit_set(argument)
    if kind == "AT":
        return _POSITIONS[str(argument)]
    if kind == "BRANCH":
        return "(?:" + "|".join(_emit_sequence(list(branch)) for branch in argument[1]) + ")"
    if kind == "SUBPATTERN":
        _, added, removed, nodes = argument
        return _grouped(_emit_sequence(list(nodes)), added, removed)
    if kind in ("MAX_REPEAT", "MIN_REPEAT"):
        least, most, nodes = argument
        return f"(?:{_emit_sequence(list(nodes))}){_bounds(least, most)}"
    raise _UnreadableError


def _emit_set(items: Sequence[Node]) -> str:
    parts = []
    for name, argument in items:
        match str(name):
            case "NEGATE":
                parts.append("^")
            case "LITERAL":
                parts.append(_character(argument))
            case "RANGE":
                parts.append(f"{_character(argument[0])}-{_character(argument[1])}")
            case "CATEGORY":
                parts.append(_CATEGORIES[str(argument)])
            case _:
                raise _UnreadableError
    return f"[{''.join(parts)}]"


def _grouped(inner: str, added: int, removed: int) -> str:
    flags = _flag_letters(added)
    if removed:
        flags += "-" + _flag_letters(removed)
    return f"(?{flags}:{inner})"


def _bounds(least: int, most: int) -> str:
    if most is _NAMES.MAXREPEAT:
        return "*" if least == 0 else f"{{{least},}}"
    return f"{{{least},{most}}}"


def _character(code: int) -> str:
    return rf"\x{{{code:x}}}"
