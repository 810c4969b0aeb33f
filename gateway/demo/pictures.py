"""The demo's tables, within eighty columns."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gateway.demo.stand_ins import INTERPRETED, OPTIONAL, PROTECTED

_MAX_OTHERS = 6


def print_classes(console: Console, cycle: Mapping[str, Any]) -> None:
    """Proposals and verdicts: the stand-ins first, then what else runs here."""
    table = Table(title="Proposals and verdicts", title_justify="left", pad_edge=False)
    for heading in ("process", "proposed", "verdict", "control", "duties"):
        table.add_column(heading, overflow="fold")
    table.add_column("kept", justify="right")
    table.add_column("dropped", justify="right")
    ours = {*PROTECTED, *OPTIONAL, INTERPRETED}
    rows = sorted(cycle["classes"], key=lambda row: not ours & set(row["names"]))
    mine = [row for row in rows if ours & set(row["names"])]
    for row in rows[: len(mine) + _MAX_OTHERS]:
        table.add_row(*_cells(row))
    console.print(table)
    if (rest := len(rows) - len(mine) - _MAX_OTHERS) > 0:
        console.print(f"and {rest} more classes; `collector run --once` shows all.")


def print_ledger(console: Console, cycle: Mapping[str, Any]) -> None:
    """Where the points went and what was saved."""
    points = cycle["points"]
    withheld = points["dropped"] + points["sampled_out"]
    total = withheld + points["kept"]
    ledger = cycle["ledger"]
    console.print(
        f"{cycle['processes']} processes, {total} points: {points['kept']} kept, {withheld} "
        f"withheld under leases: {withheld / max(total, 1):.0%} saved."
    )
    console.print(
        f"Ledger: scraped {ledger['scraped']} = exported {ledger['exported']} + sampled out "
        f"{ledger['sampled_out']} + dropped {ledger['dropped']} + rejected {ledger['rejected']} "
        f"+ waiting {ledger['waiting']} + lost {sum(ledger['lost'].values())}"
    )


def print_closing(console: Console, folder: Path, claims: Mapping[str, bool]) -> None:
    """Each claim with whether it was seen to hold, and what to try next."""
    console.print()
    console.rule("[bold]What was seen[/]", align="left")
    for claim, holds in claims.items():
        mark = "[green]yes[/]" if holds else "[bold red]NO [/]"
        console.print(f"  {mark}  {escape(claim)}")
    shown = escape(str(folder))
    console.print(f"\nLook around in {shown}/ and try next:")
    console.print(
        f"  .venv/bin/gateway audit verify {shown}/log.db --key {shown}/keys/checkpoint.vkey "
        f"--checkpoint {shown}/collector/checkpoint",
        soft_wrap=True,
    )
    console.print(f"  .venv/bin/gateway audit inspect {shown}/log.db --limit 10", soft_wrap=True)
    console.print(f"  .venv/bin/gateway serve --config {shown}/gateway.yaml", soft_wrap=True)


def _cells(row: Mapping[str, Any]) -> list[str]:
    names = ", ".join(row["names"][:2])
    if len(row["names"]) > 2:
        names += f" and {len(row['names']) - 2} more"
    verdict = row["verdict"]
    colour = "red" if "drop" in verdict else "green" if "keep" in verdict else "yellow"
    duties = [obligation.partition(" ")[0] for obligation in row["obligations"]]
    return [
        escape(names),
        row["proposed"],
        f"[{colour}]{verdict}[/]",
        escape("\n".join(row["controls"][:2])),
        escape("\n".join(duties[:4])),
        str(row["kept"]),
        str(row["dropped"] + row["sampled_out"]),
    ]
