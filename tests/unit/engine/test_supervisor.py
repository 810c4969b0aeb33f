from pathlib import Path
from types import SimpleNamespace

import pytest

from gateway.engine.port import EngineVersion
from gateway.engine.supervisor import SupervisedOpa
from gateway.errors import EngineError


def test_the_version_is_that_of_the_opa_that_runs_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry pins it (P9), and the program may be replaced between two starts."""
    bundle = SimpleNamespace(archive=b"", revision="1-00", sealed=None)
    engine = SupervisedOpa(bundle, Path("opa"))
    with pytest.raises(EngineError, match="not been started"):
        _ = engine.version
    supervisor = engine.supervisor
    for version in ("1.22.2", "1.23.0"):
        running = SimpleNamespace(version=EngineVersion("opa", version))
        monkeypatch.setattr(supervisor, "_engine", running)
        assert engine.version == EngineVersion("opa", version)
    monkeypatch.setattr(supervisor, "_engine", None)
    assert engine.version == EngineVersion("opa", "1.23.0")
