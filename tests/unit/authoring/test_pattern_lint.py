"""Lints of patterns, and where each must stay silent."""

from pathlib import Path

import pytest

from gateway.authoring.finding import Finding
from gateway.authoring.pattern_lint import check_patterns
from gateway.authoring.rows import find_rows
from gateway.authoring.traffic import Traffic, read_traffic, traffic_of
from gateway.errors import ConfigError
from tests.unit.authoring.planted import document


def lint(text: str, traffic: Traffic | None = None, kept: bool | None = False) -> list[Finding]:
    return check_patterns(find_rows([document(text)]), traffic, kept)


def lints(text: str, traffic: Traffic | None = None, kept: bool | None = False) -> list[str]:
    return sorted(f"{one.rule}:{one.level}" for one in lint(text, traffic, kept))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        # uncompilable, in RE2 and not in Python's words
        ('never_filter: [{regex: "^a(?=b)"}]', ["pattern-uncompilable:error"]),
        ('never_filter: [{glob: "[a"}]', ["pattern-uncompilable:error"]),
        ("never_filter: [{regex: 12}]", ["pattern-uncompilable:error"]),
        ('anything: {deep: [{x: [{regex: "("}]}]}', ["pattern-uncompilable:error"]),
        ('never_filter: [{regex: "^(?i)pay"}]', []),
        ('never_filter: [{regex: "ENC[AES256_GCM,data:x]"}]', []),
        # unanchored: a protective list may over-match
        ("never_filter: [{regex: etcd}]", []),
        ("services: [{regex: etcd}]", []),
        ("allow_drop: [{regex: etcd$}]", ["pattern-unanchored:error"]),
        ('exceptions: [{regex: "^etcd$|tmp$"}]', ["pattern-unanchored:error"]),
        ('services: [{regex: "etcd$", allows_dropping: true}]', ["pattern-unanchored:error"]),
        ("idle: {allows_dropping: true, rows: [{regex: etcd$}]}", ["pattern-unanchored:error"]),
        ("idle: {allows_dropping: false, rows: [{regex: etcd$}]}", []),
        ("x: {allows_dropping: true, y: {allows_dropping: false, rows: [{regex: etcd$}]}}", []),
        ('allow_drop: [{regex: "^etcd$"}]', []),
        ('allow_drop: [{regex: "^etcd"}]', ["pattern-open-ended:note"]),
        ('allow_drop: [{glob: "etcd-*"}]', []),
        ('allow_drop: [{regex: "^.*"}]', ["pattern-matches-all:error", "pattern-open-ended:note"]),
        ('never_filter: [{glob: "*"}]', []),
        # one glob, two readings
        (r'never_filter: [{glob: "a\\*"}]', ["pattern-read-differently:error"]),
        ('never_filter: [{glob: "[^a]*"}]', ["pattern-read-differently:error"]),
        ('never_filter: [{glob: "[!a]*"}]', []),
        ('never_filter: [{regex: "^a{2}[^b]"}]', []),
        ('never_filter: [{regex: "a$b"}]', ["pattern-empty:error"]),
        # longer than a cut name
        ('services: [{regex: "^exactly-fifteen"}]', []),
        ('services: [{regex: "^exactly-sixteen-"}]', ["pattern-past-cut:warning"]),
        ('services: [{regex: "^exactly-(a|sixteen-)"}]', []),
        ('services: [{glob: "*sixteen-letters-x"}]', ["pattern-past-cut:warning"]),
        ('services: [{glob: "éééééééé*"}]', ["pattern-past-cut:warning"]),
        ('services: [{glob: "ééééééé*"}]', []),
        ('never_filter: [{regex: "^exactly-sixteen-"}]', []),
        ('allow_drop: [{glob: "exactly-sixteen-*"}]', []),
        # shadowed
        ('services: [{glob: "a-*"}, {glob: "a-*"}]', ["pattern-shadowed:warning"]),
        ('services: [{glob: "a-*"}, {regex: "^a-(b|c)"}]', ["pattern-shadowed:warning"]),
        ('services: [{regex: "(?i)^a-"}, {regex: "(?i)^a-"}]', ["pattern-shadowed:warning"]),
        ('services: [{regex: "^(b|c)"}, {glob: "[bc]?"}]', ["pattern-shadowed:warning"]),
        (
            'services: [{glob: "a"}, {glob: "a?*"}, {regex: "^a"}]',
            ["pattern-shadowed:warning"],
        ),
        (
            'services: [{glob: "a-*", control: X}, {glob: "a-b", control: Y}]',
            ["pattern-shadowed:note"],
        ),
        ('services: [{glob: "a-*"}, {glob: "a-b", sample_permille: 9}]', ["pattern-shadowed:note"]),
        ('services: [{glob: "a-b"}, {glob: "a-*"}]', []),
        ('services: [{glob: "a-*"}, {regex: "^a"}]', []),
        ('services: [{glob: "a-*"}]\nnever_filter: [{glob: "a-b"}]', []),
        # contradictory
        (
            'never_filter: [{regex: "^pay"}]\nallow_drop: [{glob: "*-cache"}]',
            ["pattern-contradictory:error"],
        ),
        (
            'never_filter: [{regex: "^pay"}]\nallow_drop: [{glob: "PAY-cache"}]',
            ["pattern-contradictory:error"],
        ),
        ('never_filter: [{regex: "^pay-"}]\nallow_drop: [{regex: "^pay[a-z]+$"}]', []),
        ('services: [{regex: "^pay"}]\nexceptions: [{glob: "pay-cache"}]', []),
    ],
)
def test_lints(text: str, found: list[str]) -> None:
    assert lints(text) == found


def test_cut_names_do_not_matter_where_they_are_kept() -> None:
    assert lints('services: [{regex: "^exactly-sixteen-"}]', kept=True) == []


def test_cut_names_are_not_told_of_where_the_policies_cannot_be_asked() -> None:
    assert lints('services: [{regex: "^exactly-sixteen-"}]', kept=None) == []


@pytest.mark.parametrize(
    ("row", "mend"),
    [
        ('regex: "^(a)\\\\1"', "no back references"),
        ('glob: "[a"', "close it with ]"),
        ('regex: "^a", glob: "a"', "remove one of the two"),
        ('regex: ""', "write it in quotes"),
    ],
)
def test_a_pattern_that_does_not_compile_is_told_how_to_mend(row: str, mend: str) -> None:
    (finding,) = lint(f"never_filter: [{{{row}}}]")
    assert finding.rule == "pattern-uncompilable"
    assert mend in finding.mend


def test_a_contradiction_names_both_places_and_a_name() -> None:
    text = 'never_filter:\n  - {id: pay, regex: "^pay"}\nallow_drop:\n  - {id: cache, glob: "*-c"}'
    (finding,) = lint(text)
    assert (finding.line, finding.column) == (4, 23)
    assert [(place.line, place.column) for place in finding.related] == [(2, 22)]
    assert "'pay-c'" in finding.message
    assert "row pay at data/demo/data.yaml:2:22" in finding.message


def test_a_row_that_contradicts_many_is_told_once() -> None:
    rows = ", ".join(f'{{id: r{at}, glob: "pay-{at}-*"}}' for at in range(20))
    findings = lint(f'never_filter: [{rows}]\nallow_drop: [{{glob: "pay-?-x"}}]')
    (finding,) = findings
    assert len(finding.related) == 10
    assert "for 9 more rows" in finding.message


def test_messages_about_a_broken_pattern_do_not_show_it() -> None:
    (finding,) = lint('never_filter: [{id: a, regex: "secret-service("}]')
    assert "secret" not in finding.message + finding.mend
    assert finding.message == "the regex is not valid RE2 (missing ))"


ROWS = 'never_filter: [{id: pay, regex: "^pay-service-x"}, {id: led, glob: "ledger-*"}]'


@pytest.mark.parametrize(
    ("processes", "unseen"),
    [
        ([], ["pay", "led"]),
        (["pay-service-x", "other"], ["led"]),
        (["PAY-service-x-1", "ledger-2"], []),
        ([{"service.name": "ledger-1", "process.executable.path": "/opt/pay-service-xy"}], []),
        ([{"process.owner": "ledger-1"}], ["pay", "led"]),
        (
            [
                {
                    "process.executable.name": "pay-serv",
                    "compliance.process.identity_source": "truncated",
                }
            ],
            ["led"],
        ),
        (["pay-serv"], ["pay", "led"]),
    ],
)
def test_patterns_that_match_nothing_recorded_are_told(
    processes: list[str | dict[str, str]], unseen: list[str]
) -> None:
    findings = lint(ROWS, traffic_of(processes))
    assert [one.message.split()[1] for one in findings] == unseen
    assert {one.rule for one in findings} <= {"pattern-unseen"}


def test_without_traffic_nothing_is_said_of_it() -> None:
    assert lint(ROWS) == []


def test_traffic_is_read_from_lines_and_from_a_list(tmp_path: Path) -> None:
    path = tmp_path / "traffic.jsonl"
    path.write_text('{"service.name": "a"}\n\n"b"\n["c", {"service.name": "d", "n": 1}]\n')
    assert read_traffic(path).names == {"a", "b", "c", "d"}
    path.write_text('"a"\n{"service.name": \n')
    with pytest.raises(ConfigError, match=r"traffic\.jsonl:2: no JSON"):
        read_traffic(path)
    path.write_text("12\n")
    with pytest.raises(ConfigError, match="its attributes, or a name"):
        read_traffic(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_traffic(tmp_path / "absent")
