"""The data documents of a bundle: what stands under `data`, read as OPA lays it out.

OPA reads only files named `data.yaml` and `data.json`, and silently leaves out every other one;
such a file is refused here, since a protection that is silently left out is none.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from gateway.errors import BundleError, ConfigError
from gateway.wire.documents import load_yaml

_DATA_FOLDER = "data"
_READ_BY_OPA = ("data.yaml", "data.json")
_DATA_ENDINGS = (".yaml", ".yml", ".json")


def is_data_document(path: str) -> bool:
    """Whether OPA reads the file as data."""
    return path.rpartition("/")[2] in _READ_BY_OPA


def read_data(files: Mapping[str, bytes]) -> dict[str, Any]:
    """The merged tree of all data files, as policies see it below `data`.

    Raises BundleError for a data file that OPA would leave out or that stands outside `data/`, one
    that cannot be read, and two files that give the same path."""
    tree: dict[str, Any] = {}
    for path, content in files.items():
        folders = path.split("/")[:-1]
        if is_data_document(path):
            if folders[:1] != [_DATA_FOLDER]:
                raise BundleError(f"{path}: data files stand below {_DATA_FOLDER}/; move it there")
            value = _parse(path, content)
            for name in reversed(folders):
                value = {name: value}
            merge_document(tree, value, path)
        elif folders[:1] == [_DATA_FOLDER] and path.endswith(_DATA_ENDINGS):
            raise BundleError(
                f"{path}: OPA would leave this file out; it reads only files named data.yaml or "
                "data.json (put it in a folder of its own)"
            )
    return tree


def parse_json(path: str, content: bytes, number: Callable[[str], Any] | None = None) -> Any:
    """The value of a JSON file, its numbers as `number` makes them of their spelling; raises
    BundleError, also for duplicate names and NaN."""
    try:
        return json.loads(
            content.decode(),
            object_pairs_hook=_refuse_duplicates,
            parse_constant=_refuse_constant,
            parse_float=number,
            parse_int=number,
        )
    except _RefusedJsonError as error:
        raise BundleError(f"{path}: {error}") from None
    except json.JSONDecodeError as error:
        raise BundleError(f"{path}:{error.lineno}:{error.colno}: {error.msg}") from None
    except (ValueError, RecursionError):  # not UTF-8, or an integer past Python's own limit
        raise BundleError(
            f"{path}: not UTF-8 text, nested too deep, or a number of too many digits"
        ) from None


class _RefusedJsonError(Exception):
    pass


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _RefusedJsonError(f"the name {twice[:60]!r} stands twice in one object")
    return value


def _refuse_constant(text: str) -> Any:
    raise _RefusedJsonError(f"{text} is not JSON")


def _parse(path: str, content: bytes) -> dict[str, Any]:
    if path.endswith(".json"):
        value = parse_json(path, content)
    else:
        try:
            value = load_yaml(content.decode(), path)
        except UnicodeDecodeError:
            raise BundleError(f"{path}: not UTF-8 text") from None
        except ConfigError as error:
            raise BundleError(str(error)) from None
    if not isinstance(value, dict):
        raise BundleError(
            f"{path}: must hold an object (name: value), not a list or a single value"
        )
    return value


def merge_document(tree: dict[str, Any], value: dict[str, Any], path: str) -> None:
    """Add the value of a data file to the tree; raises BundleError where another file says it."""
    for name, item in value.items():
        present = tree.get(name)
        if isinstance(present, dict) and isinstance(item, dict):
            merge_document(present, item, path)
        elif name in tree:
            raise BundleError(f"{path}: another data file gives {name[:60]!r} at the same place")
        else:
            tree[name] = item
