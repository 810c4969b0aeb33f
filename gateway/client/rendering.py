"""Changes as tables of at most 80 columns."""

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.transparency.report import printable

WIDTH = 80
_COLOURS = {"halted": "red", "standing": "yellow", "assessed": "yellow", "rejected": "dim"}


def print_changes(console: Console, value: dict[str, Any]) -> None:
    """What is in force, and a line for each change."""
    _print_active(console, value)
    rows = value["changes"]
    if not rows:
        console.print("Nothing waits.")
        return
    table = make_table(("ID", 6), ("KIND", 10), ("STAGE", 8), ("WHAT", 28), ("WAITS FOR", None))
    for row in rows:
        table.add_row(
            shown(row["id"]),
            shown(row["kind"]),
            shown(row["stage"], _COLOURS.get(row["stage"], "")),
            shown(row["title"]),
            shown(row["waits_for"] or "nothing"),
        )
    console.print(table)
    if value["left_out"]:
        console.print(f"and {value['left_out']} older ones; --json does not list them either")


def print_change(console: Console, value: dict[str, Any]) -> None:
    """The whole of a change."""
    rows: list[tuple[str, str]] = [
        ("change", f"{value['id']}  {value['kind']}, {value['stage']}"),
        ("what", value["title"]),
        ("author", f"{value['author']} at {_time(value['staged'])}"),
        ("why", value["justification"]),
    ]
    subject = value["subject"]
    if "bundle" in subject:
        rows.append(("bundle", subject["bundle"]))
        if subject["signer"]:  # a rollback's was checked when it was staged first
            rows.append(("signed by", f"key {subject['signer'][:16]}"))
    if value["deed"]:
        rows += _deed_rows(value["deed"])
    elif value["active"]:
        rows.append(("in force", f"{value['active']['revision']}"))
    if value["detail"]:
        rows.append(("detail", value["detail"]))
    if value["approval"]:
        approval = value["approval"]
        rows.append(("approved", f"{approval['approver']} ({approval['approval_id']})"))
        rows.append(("", approval["justification"]))
    rows += _impact_rows(value["impact"]) + _rollout_rows(value["rollout"])
    print_pairs(console, rows)
    if value["impact"] and value["impact"]["losses"]:
        console.print("Would lose protection; an approval lists exactly these:")
        for name in value["impact"]["losses"]:
            console.print(Text(f"  {printable(name)}", "red"), soft_wrap=True)
    print_pairs(console, [("waits for", value["waits_for"] or "nothing")])


def print_summary(console: Console, value: dict[str, Any]) -> None:
    """What a command did, in two lines."""
    console.print(shown(f"{value['id']}  {value['kind']} {value['title']}: {value['stage']}"))
    if value["waits_for"]:
        console.print(shown(f"waits for {value['waits_for']}"))


def print_exceptions(console: Console, value: dict[str, Any]) -> None:
    """Live exceptions."""
    rows = value["exceptions"]
    if not rows:
        console.print("No exception is live.")
        return
    for row in rows:
        where = "/".join(part or "any" for part in (row["environment"], row["region"]))
        [(kind, text)] = row["pattern"].items()
        author, approver = (row[who].rpartition("/")[2] for who in ("author", "approver"))
        pairs = [
            (row["id"], f"until {_time(row['expires'])} UTC"),
            ("  from", ", ".join(row["rules"])),
            ("  for", f"{kind} {text} in {where}"),
            ("  why", f"{row['reason']} ({author}; approved by {approver})"),
        ]
        print_pairs(console, pairs)


def step_text(step: dict[str, Any]) -> str:
    """Where a step of a rollout is, and for how many."""
    places = [step["environment"], step["region"]]
    where = "everywhere" if places == ["*", "*"] else "/".join(places).replace("*", "any")
    return f"{where}, {step['share_permille'] / 10:g} % of collectors"


def _print_active(console: Console, value: dict[str, Any]) -> None:
    active = value["active"]
    if active is None:
        console.print("Nothing is in force yet.")
        return
    console.print(
        shown(
            f"In force: {active['revision']} since {_time(active['since'])} UTC "
            f"(activation {value['activation']})"
        )
    )


def _deed_rows(deed: dict[str, Any]) -> list[tuple[str, str]]:
    rows = [("what exactly" if not at else "", line) for at, line in enumerate(deed["does"])]
    if deed["kept_by"]:
        rows.append(("kept by", f"hold {', '.join(deed['kept_by'])}: not done while it stands"))
    return rows


def _impact_rows(impact: dict[str, Any] | None) -> list[tuple[str, str]]:
    if impact is None:
        return []
    count = impact["losses_count"]
    return [
        (
            "impact",
            f"of {impact['verdicts']:,} verdicts ({impact['classes']:,} classes) "
            f"{impact['more']:,} more protected, {impact['less']:,} less",
        ),
        ("losses", f"{count:,} would lose protection" if count else "none of what was seen"),
    ]


def _rollout_rows(rollout: dict[str, Any] | None) -> list[tuple[str, str]]:
    if rollout is None:
        return []
    rows = []
    for number, step in enumerate(rollout["steps"]):
        mark = "done" if number < rollout["step"] else "now" if number == rollout["step"] else ""
        rows.append((f"step {number + 1}", f"{step_text(step)}  {mark}".rstrip()))
    if rollout["is_halted"]:
        rows.append(("halted", "; ".join(rollout["failures"])))
    return rows


def make_table(*columns: tuple[str, int | None]) -> Table:
    """A table with a heading and width each; None: what is left."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), width=WIDTH)
    for heading, width in columns:
        if width is None:
            table.add_column(heading, ratio=1, overflow="fold")
        else:
            table.add_column(heading, min_width=width, max_width=width, overflow="fold")
    return table


def print_pairs(console: Console, rows: list[tuple[str, str]]) -> None:
    """A label and its text on each line."""
    table = Table(box=None, show_header=False, pad_edge=False, width=WIDTH)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold", ratio=1)
    for label, text in rows:
        table.add_row(label, shown(text))
    console.print(table)


def shown(value: str, style: str = "") -> Text:
    """A value that somebody else wrote, without what would steer a terminal."""
    return Text(printable(value), style)


def _time(text: str) -> str:
    return text[:16].replace("T", " ")
