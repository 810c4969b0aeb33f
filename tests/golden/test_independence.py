"""The oracle is independent: it and the corpus share no code with what they judge."""

import ast
from pathlib import Path

HERE = Path(__file__).parent
OURS = {"gateway", "collector", "bench"}


def imports_of(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "import_module":
            names.add("gateway")  # whatever it is, it is not seen here
    return names


def reached_from(name: str) -> set[str]:
    """Every module that one of tests/golden imports, through others of tests/golden."""
    seen: set[str] = set()
    waiting = {name}
    while waiting:
        module = waiting.pop()
        seen.add(module)
        path = HERE / f"{module.removeprefix('tests.golden.')}.py"
        if module.startswith("tests.golden.") and path.exists():
            waiting |= imports_of(path) - seen
    return seen


def test_oracle_and_corpus_import_nothing_of_ours() -> None:
    modules = reached_from("tests.golden.oracle") | reached_from("tests.golden.golden")
    assert {"tests.golden.families", "tests.golden.corpus", "yaml"} <= modules
    roots = {name.split(".")[0] for name in modules}
    assert roots & OURS == set()
    ours = {name for name in modules if name.startswith("tests.")}
    assert {name for name in ours if not name.startswith("tests.golden")} == set()


def test_an_import_of_ours_would_be_seen() -> None:
    assert "gateway.wire.classes" in reached_from("tests.golden.classes")
