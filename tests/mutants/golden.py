"""The golden corpus as mutants are tried on it: first the part that is likeliest to notice."""

import shutil
import tempfile
from pathlib import Path

from tests.golden.altered import write_altered
from tests.golden.golden import Golden, load_golden
from tests.golden.subset import pairs_about, pairs_covering
from tests.mutants.mutant import Mutant


class GoldenCorpus:
    """Expected answers over the original tables, whatever a mutant makes of them; and over altered
    ones, which a mutant of data would not show in."""

    def __init__(self, opa: Path, policies: Path) -> None:
        self._opa = opa
        self._whole = load_golden(policies)
        self._cover = _covering(self._whole)
        self._about: dict[str, Golden] = {}
        for table in self._whole.tables.by_name:
            pairs = pairs_about(self._whole.tables, table, self._whole.pairs)
            self._about[table] = Golden(self._whole.tables, pairs) if pairs else self._cover
        with tempfile.TemporaryDirectory(prefix="golden-") as folder:
            copy = Path(folder) / "policies"
            shutil.copytree(policies, copy)
            write_altered(copy)
            self._altered = _covering(load_golden(copy), "sox")  # a row of it has capitals
            self._altered_data = {
                str(path.relative_to(copy)): path.read_bytes()
                for path in (copy / "data").glob("*/data.yaml")
            }

    def agrees_quickly(self, policies: Path, mutant: Mutant) -> bool:
        """Asks what is about the mutant's table; for a mutant of Rego, one of each kind."""
        top, *others = Path(mutant.path).parts
        part = self._about[others[0]] if top == "data" else self._cover
        return part.agrees(self._opa, policies)

    def agrees(self, policies: Path) -> bool:
        """Asks everything."""
        return self._agrees_altered(policies) and self._whole.agrees(self._opa, policies)

    def _agrees_altered(self, policies: Path) -> bool:
        with tempfile.TemporaryDirectory(prefix="golden-") as folder:
            copy = Path(folder) / "policies"
            shutil.copytree(policies, copy)
            for name, content in self._altered_data.items():
                (copy / name).write_bytes(content)
            return self._altered.agrees(self._opa, copy)


def _covering(golden: Golden, *tables: str) -> Golden:
    about = [pair for name in tables for pair in pairs_about(golden.tables, name, golden.pairs)]
    return Golden(golden.tables, [*pairs_covering(golden.pairs), *about])
