"""P2: whatever rules, floor rows and proposals say, the most protective answer wins."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.decisions.floor import Floor, FloorFile, FloorRow, parse_rows
from gateway.decisions.floor_minimum import MINIMUM_ROWS
from gateway.decisions.verdict import settle
from gateway.engine.port import RuleVerdict
from gateway.wire.classes import ProcessClass, project
from gateway.wire.verdicts import KEEP_PERMILLE, Action, protection
from tests.fakes.decisions import DECLARATION, SENDER

NAMES = [name for name in DECLARATION.attributes if not name.endswith("identity_source")]
MINIMUM_NAMES = [row["regex"].removeprefix("^") for row in MINIMUM_ROWS]

texts = st.text(max_size=20)
words = st.text("abcdefgh-", min_size=1, max_size=12)
actions: st.SearchStrategy[Action] = st.sampled_from(("drop", "sample", "keep"))
shares = st.integers(0, KEEP_PERMILLE)


@st.composite
def rule_verdicts(draw: st.DrawFn) -> RuleVerdict:
    """Any answer, also one that contradicts itself: the core must not trust it to protect."""
    obligations: list[dict[str, Any]] = draw(
        st.lists(st.sampled_from([{"type": "no_sampling"}, {"type": "encrypt"}]), max_size=2)
    )
    return RuleVerdict(
        draw(st.sampled_from(["permit", "protect"])),
        draw(actions),
        draw(shares),
        (),
        tuple(obligations),
        draw(st.integers(1, 86_400)),
    )


@st.composite
def classes(draw: st.DrawFn, attributes: dict[str, str] | None = None) -> ProcessClass:
    """Any class, with these attributes if told."""
    action = draw(actions)
    rate = None
    if action == "sample":
        rate = draw(st.floats(0, 1, exclude_min=True, exclude_max=True))
    score = draw(st.none() | st.floats(0, 1))
    given_attributes = draw(st.dictionaries(st.sampled_from(DECLARATION.attributes), texts))
    return project(
        DECLARATION,
        SENDER,
        {**given_attributes, **(attributes or {})},
        action,
        rate,
        score,
        draw(texts),
    )


@st.composite
def floor_rows(draw: st.DrawFn) -> tuple[FloorRow, ...]:
    """Rows of literal prefixes, as a file or a bundle may add them."""
    prefixes = draw(st.lists(words, max_size=3))
    kinds = draw(st.lists(st.booleans(), min_size=3, max_size=3))
    rows = [
        {"id": f"r{i}", "glob": f"{prefix}*"}
        if kinds[i]
        else {"id": f"r{i}", "regex": f"^{prefix}"}
        for i, prefix in enumerate(prefixes)
    ]
    return parse_rows(rows, "drawn")


@given(process_class=classes(), rules=rule_verdicts(), rows=floor_rows())
@settings(deadline=None, print_blob=True)
def test_a_verdict_never_protects_less_than_proposal_rules_or_floor(
    process_class: ProcessClass, rules: RuleVerdict, rows: tuple[FloorRow, ...]
) -> None:
    finding = Floor(None, rows).finding(process_class)
    settled = settle(process_class, rules, finding)
    share = protection(settled.action, settled.sample_permille)
    assert share >= protection(process_class.action, process_class.sample_permille)
    assert share >= protection(rules.action, rules.sample_permille)
    if finding is not None or {"type": "no_sampling"} in rules.obligations:
        assert (settled.action, settled.sample_permille) == ("keep", KEEP_PERMILLE)
    assert (settled.action == "drop") == (settled.sample_permille == 0)
    assert (settled.action == "keep") == (settled.sample_permille == KEEP_PERMILLE)
    proposed = (process_class.action, process_class.sample_permille)
    is_as_proposed = (settled.action, settled.sample_permille) == proposed
    assert (settled.effect == "permitted") == is_as_proposed


@st.composite
def protected(draw: st.DrawFn) -> tuple[ProcessClass, tuple[FloorRow, ...], bool]:
    """A class that a row must protect by one of its names, beside any other attributes."""
    rows = draw(floor_rows())
    beginnings = [row.text.strip("^*") for row in rows] + MINIMUM_NAMES
    name = draw(st.sampled_from(beginnings)) + draw(st.text("abc-0123456789", max_size=6))
    name = draw(st.sampled_from([name, name.upper(), name.title()]))
    attribute = draw(st.sampled_from(NAMES))
    value = f"/opt/x/{name}" if attribute.endswith("path") else name
    return draw(classes({attribute: value})), rows, draw(st.booleans())


@given(case=protected(), rules=rule_verdicts())
@settings(deadline=None, print_blob=True)
def test_a_protected_name_is_fully_kept_whatever_else_the_class_says(
    case: tuple[ProcessClass, tuple[FloorRow, ...], bool], rules: RuleVerdict
) -> None:
    process_class, rows, is_file = case
    floor = Floor(FloorFile(1, rows), ()) if is_file else Floor(None, rows)
    settled = settle(process_class, rules, floor.finding(process_class))
    assert (settled.action, settled.sample_permille) == ("keep", KEEP_PERMILLE)


@given(process_class=classes(), rows=floor_rows(), more=floor_rows())
@settings(deadline=None, print_blob=True)
def test_more_rows_never_protect_less(
    process_class: ProcessClass, rows: tuple[FloorRow, ...], more: tuple[FloorRow, ...]
) -> None:
    if Floor(None, rows).finding(process_class) is not None:
        assert Floor(FloorFile(1, more), rows).finding(process_class) is not None
        assert Floor(FloorFile(1, rows), more).finding(process_class) is not None
