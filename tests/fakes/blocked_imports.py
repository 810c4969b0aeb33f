"""Python processes that see the standard library and named distributions, and nothing else."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]

_BLOCKER = """\
import sys
class _Refusal:
    allowed = frozenset(sys.stdlib_module_names) | {allowed!r}
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        # The platform's build settings are the standard library's too, under a name of their own.
        if top not in self.allowed and not top.startswith("_sysconfigdata"):
            raise ModuleNotFoundError(f"{{name!r}} is refused by the test", name=name)
        return None
sys.meta_path.insert(0, _Refusal())
for name in list(sys.modules):
    if name != "__main__" and name.partition(".")[0] not in _Refusal.allowed:
        del sys.modules[name]
"""


def run_blocked(
    code: str, allowed: Iterable[str], arguments: Iterable[str] = (), seconds: float = 90.0
) -> subprocess.CompletedProcess[str]:
    """Run `code` where only the standard library and the modules `allowed` can be imported."""
    blocker = _BLOCKER.format(allowed=set(allowed))
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", blocker + code, *arguments],
        capture_output=True,
        text=True,
        timeout=seconds,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        check=False,
    )


def modules_of_extra(extra: str | None) -> set[str]:
    """The top-level modules of all that `pip install compliance-gateway[extra]` brings."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    wanted = list(project["dependencies"])
    wanted += project["optional-dependencies"][extra] if extra else []
    names = _closure(wanted)
    owners = metadata.packages_distributions()
    return {module for module, dists in owners.items() if names & {_normal(d) for d in dists}}


def _closure(requirements: list[str]) -> set[str]:
    found: set[str] = set()
    waiting = [(Requirement(text), "") for text in requirements]
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = _normal(requirement.name)
        if name in found:
            continue
        found.add(name)
        for text in metadata.requires(name) or []:
            waiting += [(Requirement(text), e) for e in {"", *requirement.extras}]
    return found


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
