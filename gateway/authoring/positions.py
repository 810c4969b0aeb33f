"""Data and schema files with the place of every value: line and column, from 1."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

from gateway.authoring.finding import Place
from gateway.bundles.documents import parse_json
from gateway.errors import BundleError, ConfigError
from gateway.wire.documents import Path, Places, load_yaml_with_places

_TOKEN = re.compile(r'[\[\]{},:]|"(?:[^"\\]|\\.)*"|[^\s\[\]{},:"]+')
_PLACED = re.compile(r"(?P<file>.+?):(?P<line>\d+):(?P<column>\d+): (?P<sentence>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Document:
    """One file's value, and where its parts stand."""

    file: str
    value: Any
    places: Places = field(default_factory=Places)

    def place(self, path: Path = ()) -> Place:
        """Where the value at `path` begins; of the nearest value around it that has a place."""
        for length in range(len(path), -1, -1):
            if (at := self.places.values.get(path[:length])) is not None:
                return Place(self.file, *at)
        return Place(self.file)

    def name_place(self, path: Path) -> Place:
        """Where the name that leads to `path` stands; else the place of the value."""
        at = self.places.names.get(path)
        return Place(self.file, *at) if at is not None else self.place(path)


def read_document(file: str, content: bytes) -> Document:
    """A YAML or JSON file. Raises BundleError, whose message begins with its place where known."""
    if file.endswith(".json"):
        value = parse_json(file, content)
        return Document(file, value, _json_places(content.decode()))
    try:
        value, places = load_yaml_with_places(content.decode(), file)
    except UnicodeDecodeError:
        raise BundleError(f"{file}: not UTF-8 text; save it as UTF-8") from None
    except ConfigError as error:
        raise BundleError(str(error)) from None
    return Document(file, value, places)


def split_message(message: str, file: str) -> tuple[Place, str]:
    """The place at the head of an error's message, and its sentence."""
    if (match := _PLACED.match(message)) is not None:
        place = Place(match["file"], int(match["line"]), int(match["column"]))
        return place, match["sentence"]
    return Place(file), message.removeprefix(f"{file}: ")


def _json_places(text: str) -> Places:
    """Places in a text that is known to be JSON."""
    places = Places()
    path: list[str | int | None] = []  # None: a name is expected
    lines = _LineIndex(text)
    for token in _TOKEN.finditer(text):
        match token[0]:
            case "{" | "[" as bracket:
                places.values[_known(path)] = lines.place(token.start())
                path.append(None if bracket == "{" else 0)
            case "}" | "]":
                path.pop()
            case ",":
                last = path[-1]
                path[-1] = last + 1 if isinstance(last, int) else None
            case ":":
                pass
            case word if path and path[-1] is None:
                path[-1] = json.loads(word)
                places.names[_known(path)] = lines.place(token.start())
            case _:
                places.values[_known(path)] = lines.place(token.start())
    return places


def _known(path: list[str | int | None]) -> Path:
    return tuple(part for part in path if part is not None)


class _LineIndex:
    """Offsets in a text, asked for in rising order, as lines and columns."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._line, self._start, self._seen = 1, 0, 0

    def place(self, offset: int) -> tuple[int, int]:
        newlines = self._text.count("\n", self._seen, offset)
        if newlines:
            self._line += newlines
            self._start = self._text.rindex("\n", self._seen, offset) + 1
        self._seen = offset
        return self._line, offset - self._start + 1
