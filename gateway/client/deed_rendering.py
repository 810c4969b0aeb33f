"""What is due, what is held and what would be erased, as tables of at most 80 columns."""

from typing import Any

from rich.console import Console

from gateway.client.rendering import make_table, print_pairs, print_summary, shown

Value = dict[str, Any]


def print_due(console: Console, value: Value) -> None:
    """What retention lets go; a line each, with the hold that keeps it."""
    months, entries = value["months"], value["entries"]
    if not months and not entries:
        console.print("Nothing is due.")
        return
    if months:
        table = make_table(
            ("MONTH", 7), ("REGION", 16), ("CLASS", 16), ("PAYLOADS", 10), ("KEPT BY HOLD", None)
        )
        for row in months:
            table.add_row(
                shown(row["month"]),
                shown(row["region"]),
                shown(row["retention_class"]),
                shown(f"{row['payloads']:,}"),
                shown(", ".join(row["kept_by"])),
            )
        console.print(table)
    if entries:
        table = make_table(("ENTRIES", 26), ("MONTHS", 20), ("KEPT BY HOLD", None))
        for row in entries:
            table.add_row(
                shown(f"{row['first']} to {row['last']}"),
                shown(f"{row['from']} to {row['to']}"),
                shown(", ".join(row["kept_by"])),
            )
        console.print(table)
    console.print(shown(_due_total(months, entries)), soft_wrap=False)


def print_staged(console: Console, value: Value) -> None:
    """The changes that were asked for."""
    for row in value["changes"]:
        print_summary(console, row)
    if not value["changes"]:
        console.print("Nothing to ask for.")


def print_matched(console: Console, value: Value) -> None:
    """How many payloads an erasure would destroy, by month."""
    counts: dict[str, int] = {}
    for _, key in value["classes"]:
        counts[key] = counts.get(key, 0) + 1
    if not counts:
        console.print("No class matches: nothing to erase.")
        return
    kept = {row["key"]: row["kept_by"] for row in value["months"]}
    table = make_table(
        ("MONTH", 7), ("REGION", 16), ("CLASS", 16), ("PAYLOADS", 10), ("KEPT BY HOLD", None)
    )
    for key, count in counts.items():
        region, retention_class, month = key.rsplit("/", 3)[1:]
        table.add_row(
            shown(month),
            shown(region),
            shown(retention_class),
            shown(f"{count:,}"),
            shown(", ".join(kept[key])),
        )
    console.print(table)
    total = sum(counts.values())
    match = "1 class matches" if total == 1 else f"{total:,} classes match"
    console.print(f"{match}; --stage asks for the erasure.")


def print_holds(console: Console, value: Value) -> None:
    """Live holds."""
    if not value["holds"]:
        console.print("Nothing is held.")
    for row in value["holds"]:
        where = [row["region"] or "any region", row["retention_class"] or "any class"]
        begin, end = row["from"] or "the beginning", row["to"] or "the end"
        rows = [
            (row["id"], f"{', '.join(where)}, {begin} to {end}"),
            ("  why", row["justification"]),
            ("  by", f"{row['author'].rpartition('/')[2]} at {row['placed'][:16]}"),
        ]
        if row["release"]:
            rows.append(("  release", f"asked for as {row['release']}"))
        print_pairs(console, rows)


def _due_total(months: list[Value], entries: list[Value]) -> str:
    free = [row for row in months if not row["kept_by"]]
    count = sum(row["payloads"] for row in free)
    ranges = [row for row in entries if not row["kept_by"]]
    number = sum(row["last"] - row["first"] + 1 for row in ranges)
    return (
        f"{count:,} payloads of {len(free)} month keys and {number:,} entries may go; "
        "--stage asks for it."
    )
