"""Regal and OPA find nothing to mend in the policies."""

import json
from pathlib import Path

from tests.interop.programs import POLICIES, part, run, said


def test_regal_lints_clean() -> None:
    done = run(part("regal"), "lint", "--format", "json", POLICIES)
    report = json.loads(done.stdout)
    found = [
        f"{item['location']['file']}:{item['location']['row']} {item['category']}/{item['title']}"
        for item in report["violations"]
    ]
    assert found == []
    assert done.returncode == 0, said(done)
    assert report["summary"]["files_scanned"] == len(list(POLICIES.rglob("*.rego")))


def test_regal_sees_a_fault(tmp_path: Path) -> None:
    (tmp_path / "p.rego").write_text('package p\n\nallow := true if input.x == "y"\n\nfoo = 1\n')
    assert run(part("regal"), "lint", tmp_path).returncode == 3


def test_opa_fmt_check_and_test_are_clean() -> None:
    opa = part("opa")
    formatted = run(opa, "fmt", "--list", POLICIES)
    assert (formatted.returncode, formatted.stdout) == (0, b""), said(formatted)
    capabilities = POLICIES / "capabilities.json"
    checked = run(opa, "check", "--strict", "--capabilities", capabilities, POLICIES)
    assert checked.returncode == 0, said(checked)
    tested = run(opa, "test", POLICIES)
    assert tested.returncode == 0, said(tested)


def test_what_opa_builds_of_the_folder_answers(tmp_path: Path) -> None:
    built = tmp_path / "bundle.tar.gz"
    capabilities = POLICIES / "capabilities.json"
    options = ("--capabilities", capabilities, "-o", built)
    done = run(part("opa"), "build", "-b", POLICIES, *options)
    assert done.returncode == 0, said(done)
    question = {"subject": {}, "context": {"time": {"windows": []}}, "proposals": []}
    asked = run(
        part("opa"),
        *("eval", "-b", built, "--stdin-input", "data.main.verdicts"),
        stdin=json.dumps(question).encode(),
    )
    assert asked.returncode == 0, said(asked)
    assert json.loads(asked.stdout)["result"][0]["expressions"][0]["value"] == []
