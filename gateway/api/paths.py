"""From the path that was sent to the template that is declared; anything else is nobody's path."""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

# One path segment. `.` and `..` would be another path to whoever resolves them on the way.
_SEGMENT = r"(?!\.{1,2}(?:/|$))[A-Za-z0-9._-]{1,128}"
_PARAMETER = re.compile(r"\{([a-z]+)\}")
_NONE: Mapping[str, str] = MappingProxyType({})


class Paths:
    """The templates there are. A path without parameters is found by one dictionary look-up."""

    def __init__(self, templates: Iterable[str]) -> None:
        declared = sorted(set(templates))
        self._plain = {path: (path, _NONE) for path in declared if "{" not in path}
        self._patterns = [(path, _compile(path)) for path in declared if "{" in path]

    def find(self, path: str) -> tuple[str, Mapping[str, str]] | None:
        """The template and its parameters by name; None for a path that is not there."""
        found = self._plain.get(path)
        if found is not None:
            return found
        for template, pattern in self._patterns:
            if match := pattern.fullmatch(path):
                return template, match.groupdict()
        return None


def _compile(template: str) -> re.Pattern[str]:
    parts = _PARAMETER.split(template)  # text, name, text, name, … text
    pieces = [
        f"(?P<{part}>{_SEGMENT})" if position % 2 else re.escape(part)
        for position, part in enumerate(parts)
    ]
    return re.compile("".join(pieces), re.ASCII)
