"""The golden corpus as mutants are tried on it: first the part that is likeliest to notice."""

from pathlib import Path

from tests.golden.golden import Golden, load_golden
from tests.golden.subset import pairs_about, pairs_covering
from tests.mutants.mutant import Mutant


class GoldenCorpus:
    """Expected answers over the original tables, whatever a mutant makes of them."""

    def __init__(self, opa: Path, policies: Path) -> None:
        self._opa = opa
        self._whole = load_golden(policies)
        self._cover = Golden(self._whole.tables, pairs_covering(self._whole.pairs))
        self._about: dict[str, Golden] = {}
        for table in self._whole.tables.by_name:
            pairs = pairs_about(self._whole.tables, table, self._whole.pairs)
            self._about[table] = Golden(self._whole.tables, pairs) if pairs else self._cover

    def agrees_quickly(self, policies: Path, mutant: Mutant) -> bool:
        """Asks what is about the mutant's table; for a mutant of Rego, one of each kind."""
        top, *others = Path(mutant.path).parts
        part = self._about[others[0]] if top == "data" else self._cover
        return part.agrees(self._opa, policies)

    def agrees(self, policies: Path) -> bool:
        """Asks everything."""
        return self._whole.agrees(self._opa, policies)
