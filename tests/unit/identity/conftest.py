from pathlib import Path

import pytest

from tests.fakes.pki import Domain, make_domain


@pytest.fixture
def domain(tmp_path: Path) -> Domain:
    return make_domain(tmp_path / "keys")
