"""The stand-alone verifier as one file that Python runs."""

import io
import zipfile
from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable

MODULES = ("errors.py", "canonical.py", "clock.py")
PACKAGE = "transparency"
_MAIN = """\
import sys

if sys.argv[1:2] == ["proof"]:
    from gateway.transparency.proof_file import main

    sys.exit(main(sys.argv[2:]))
from gateway.transparency.__main__ import main

sys.exit(main())
"""
_DAY = (1980, 1, 1, 0, 0, 0)  # the same bytes each time


def build_verifier() -> bytes:
    """`verify.pyz`: the modules that verify, which need `cryptography` and nothing else."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in _files():
            archive.writestr(zipfile.ZipInfo(name, _DAY), text, zipfile.ZIP_DEFLATED)
    return b"#!/usr/bin/env python3\n" + made.getvalue()


def _files() -> Iterator[tuple[str, str]]:
    root = resources.files("gateway")
    yield "__main__.py", _MAIN
    yield "gateway/__init__.py", ""
    for name in MODULES:
        yield f"gateway/{name}", (root / name).read_text(encoding="utf-8")
    for item in sorted((root / PACKAGE).iterdir(), key=_name):
        if item.name.endswith(".py"):
            yield f"gateway/{PACKAGE}/{item.name}", item.read_text(encoding="utf-8")


def _name(item: Traversable) -> str:
    return item.name
