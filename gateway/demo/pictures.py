"""The demo's tables, within eighty columns."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gateway.demo.stand_ins import INTERPRETED, OPTIONAL, PROTECTED

_MAX_OTHERS = 5


def print_classes(console: Console, cycle: Mapping[str, Any]) -> None:
    """Proposals and verdicts: the stand-ins first, then what else runs here."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("process", min_width=23, overflow="fold")
    table.add_column("asked", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("control", no_wrap=True)
    table.add_column("kept", justify="right", no_wrap=True)
    table.add_column("dropped", justify="right", no_wrap=True)
    ours = {*PROTECTED, *OPTIONAL, INTERPRETED}
    rows = sorted(cycle["classes"], key=lambda row: not ours & set(row["names"]))
    mine = [row for row in rows if ours & set(row["names"])]
    for row in rows[: len(mine) + _MAX_OTHERS]:
        table.add_row(*_cells(row))
    console.print(table)
    if (rest := len(rows) - len(mine) - _MAX_OTHERS) > 0:
        console.print(f"and {rest} more classes. ! = the wish to drop was overridden.\n")
    console.print("Duties that travel with what is kept:")
    for row in mine:
        if row["kept"]:
            duties = "; ".join(row["obligations"])
            console.print(f"  {escape(row['names'][0])}: [dim]{escape(duties)}[/]")
    console.print()


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
    console.print(f"  .venv/bin/gateway audit replay --config {shown}/gateway.yaml", soft_wrap=True)
    console.print(f"  .venv/bin/gateway serve --config {shown}/gateway.yaml", soft_wrap=True)


def _cells(row: Mapping[str, Any]) -> list[str]:
    names = ", ".join(row["names"][:2])
    if len(row["names"]) > 2:
        names += f" and {len(row['names']) - 2} more"
    action, _, effect = row["verdict"].partition(" (")
    colour = {"keep": "green", "drop": "red"}.get(action, "yellow")
    mark = " !" if effect.startswith("overridden") else ""
    control = row["controls"][0] if row["controls"] else ""
    return [
        escape(names),
        row["proposed"].partition(" ")[0],
        f"[{colour}]{action.partition(' ')[0]}{mark}[/]",
        escape(control),
        str(row["kept"]),
        str(row["dropped"] + row["sampled_out"]),
    ]
