"""The page of controls (docs/controls.md): what stands behind each one, from METADATA, data and
tests alone. The same bundle and tests give the same bytes.
"""

import ast
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from gateway.authoring.data_rows import Control, DataRow, Table
from gateway.authoring.finding import Place
from gateway.authoring.rule_sources import RegoTest, RuleSource, rules_of
from gateway.errors import ConfigError

_SERVICES = "services"
_HEAD = """\
# Controls

Made from the METADATA of the rules, the rows of data and the tests by `gateway policy controls`; do
not edit. A *hard* rule keeps, a *soft* one keeps what was to be dropped and raises a sample, an
*advisory* one adds reasons and obligations. "Verified by" lists the Python tests that name the
control.
"""


def render_page(
    table: Table,
    rules: Sequence[RuleSource],
    python_tests: Mapping[str, Sequence[str]],
    bundle: Path,
    page_folder: Path,
) -> str:
    """The page in Markdown. `python_tests` are tests by control id; links lead from `page_folder`
    to the bundle's files."""
    link = _Linker(bundle, page_folder)
    frameworks: dict[str, list[Control]] = {}
    for control in table.controls:
        frameworks.setdefault(control.framework, []).append(control)
    parts = [_HEAD, _contents(frameworks, table, rules)]
    for framework, controls in frameworks.items():
        parts.append(f"## {framework}\n")
        parts += _family_lines(controls, table, link)
        parts += [
            _section(control, table, rules, python_tests.get(control.id, ()), link)
            for control in controls
        ]
    return "\n".join(parts)


def read_python_tests(folder: Path, controls: Sequence[str]) -> dict[str, list[str]]:
    """`file::test` by control id, for each Python test that names it, also through a constant of
    its module; the file alone where only something else in the file does. Raises ConfigError for a
    file that is no Python."""
    found: dict[str, list[str]] = {}
    for path in sorted(folder.rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        named = [control for control in controls if control in text]
        if not named:
            continue
        try:
            module = ast.parse(text)
        except SyntaxError as error:
            raise ConfigError(f"{path}:{error.lineno}: not Python; mend it") from None
        place = f"{folder.absolute().name}/{path.relative_to(folder).as_posix()}"
        for control in named:
            found.setdefault(control, []).extend(_tests_naming(module, control, place))
    return found


def _tests_naming(module: ast.Module, control: str, place: str) -> list[str]:
    constants = {
        target.id
        for node in module.body
        if isinstance(node, ast.Assign | ast.AnnAssign) and _has_text(node, control)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    tests = [
        f"{place}::{node.name}"
        for node in _functions(module)
        if _has_text(node, control) or constants & {*_names(node)}
    ]
    if tests:
        return tests
    return [place] if _has_text(module, control) else []


def _functions(module: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith(
            "test"
        ):
            yield node


def _has_text(node: ast.AST, text: str) -> bool:
    """Whether some string constant is exactly this id: `SOX/40` must not count for `SOX/404`."""
    return any(isinstance(part, ast.Constant) and part.value == text for part in ast.walk(node))


def _names(node: ast.AST) -> Iterator[str]:
    return (part.id for part in ast.walk(node) if isinstance(part, ast.Name))


class _Linker:
    def __init__(self, bundle: Path, page_folder: Path) -> None:
        self._shown = bundle.absolute().name
        self._way = Path(os.path.relpath(bundle, page_folder)).as_posix()

    def __call__(self, place: Place) -> str:
        shown = f"{self._shown}/{place.file}:{place.line}"
        return f"[{shown}]({self._way}/{place.file}#L{place.line})"


def _contents(
    frameworks: Mapping[str, Sequence[Control]], table: Table, rules: Sequence[RuleSource]
) -> str:
    lines = ["| framework | controls | rules |", "|---|---|---|"]
    for framework, controls in frameworks.items():
        own = {
            rule.package
            for control in controls
            for rule in rules_of(control.id, table.of_control(control.id), rules)
        }
        lines.append(f"| {framework} | {len(controls)} | {len(own)} |")
    return "\n".join(lines) + "\n"


def _section(
    control: Control,
    table: Table,
    rules: Sequence[RuleSource],
    python_tests: Sequence[str],
    link: _Linker,
) -> str:
    rows = table.of_control(control.id)
    own = rules_of(control.id, rows, rules)
    due = control.review_due.isoformat() if control.review_due else "none"
    lines = [
        f"### {control.id}",
        "",
        f"{control.title}. Owner: {control.owner or 'nobody'}. Review due: {due}. "
        f"{link(control.place)}",
        "",
        *_rule_lines(own, table.family(control.table), link),
        *_row_lines(rows, link),
        *_test_lines(control, rows, own, link),
        f"* Verified by: {_listed(python_tests) or 'no Python test names this control'}",
    ]
    return "\n".join(lines) + "\n"


def _family_lines(controls: Sequence[Control], table: Table, link: _Linker) -> Iterator[str]:
    """What the heads of the tables that list these controls say of all their rows."""
    for name in sorted({control.table for control in controls}):
        head = table.family(name)
        if head is None:
            continue
        law = head.value.get("law") or head.value.get("title")
        where = "; ".join(
            f"{kind}: {', '.join(map(str, names))}"
            for kind, names in (head.value.get("applies_to") or {}).items()
        )
        duties = ", ".join(map(str, head.value.get("obligations") or ()))
        yield (
            f"{law}. Reaches {where or 'everywhere'}. Services are protected at level "
            f"{head.value.get('level', 'hard')}, with {duties or 'no obligation'}. "
            f"{link(head.place)}\n"
        )


def _rule_lines(rules: Sequence[RuleSource], family: DataRow | None, link: _Linker) -> list[str]:
    if not rules:
        return ["* Rule: none stands for it"]
    return [
        f"* Rule: {rule.title} (`{rule.package}`, {_level(rule, family)}), {link(rule.place)}"
        for rule in rules
    ]


def _level(rule: RuleSource, family: DataRow | None) -> str:
    """A rule over the lists `services` protects at the level that each family chooses."""
    if family is not None and _SERVICES in rule.controls_of:
        return str(family.value.get("level", rule.level))
    return rule.level or "a library"


def _row_lines(rows: Sequence[DataRow], link: _Linker) -> list[str]:
    return [
        f"* Row: `{row.id}` of {row.list}{f', `{row.pattern}`' if row.pattern else ''}, "
        f"{link(row.place)}"
        for row in rows
    ]


def _test_lines(
    control: Control, rows: Sequence[DataRow], rules: Sequence[RuleSource], link: _Linker
) -> list[str]:
    """Rego tests that name the control or one of its rows; where none does, the rule's file."""
    lines = []
    words = [control.id, *(row.id for row in rows)]
    for rule in rules:
        named = [test.name for test in rule.tests if _mentions(test, words)]
        if named:
            lines.append(f"* Rego tests that name it: {_listed(named)}")
        elif rule.tests:
            place = link(Place(rule.test_file))
            lines.append(f"* Rego tests of its rule: {len(rule.tests)}, {place}")
        else:
            lines.append("* Rego tests of its rule: none")
    return lines


def _mentions(test: RegoTest, words: Sequence[str]) -> bool:
    return any(test.mentions(word) for word in words)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
