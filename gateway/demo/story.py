"""What the demo shows, step by step. It ends with 0 only when every claim was seen to hold."""

import shutil
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from gateway.clock import SystemClock
from gateway.demo.pictures import print_classes, print_closing, print_ledger
from gateway.demo.services import archive, prove, run_collector, running_gateway, verify
from gateway.demo.stand_ins import INTERPRETED, OPTIONAL, PROTECTED, running_stand_ins
from gateway.demo.workplace import Workplace, make_workplace

Claims = dict[str, bool]


def run_demo(folder: Path) -> int:
    """Tell the story; 0 when all claims hold, 1 when one does not."""
    console = Console(highlight=False)
    claims: Claims = {}
    _title(console, 1, "Keys, certificates, a signed floor and two configurations")
    workplace = make_workplace(folder, SystemClock())
    console.print(f"A trust domain was made in {escape(str(folder))}/keys (files of mode 0600).")
    with running_stand_ins(workplace.folder / "processes"):
        _with_gateway(console, workplace, claims)
        _without_gateway(console, workplace, claims)
        _again(console, workplace, claims)
    _audit(console, workplace, claims)
    print_closing(console, folder, claims)
    return 0 if all(claims.values()) else 1


def _with_gateway(console: Console, workplace: Workplace, claims: Claims) -> None:
    _title(console, 2, "A collector asks what it may drop, over mutual TLS 1.3")
    with running_gateway(workplace):
        cycle = run_collector(workplace)
    print_classes(console, cycle)
    print_ledger(console, cycle)
    _judge(cycle, claims)


def _judge(cycle: Mapping[str, Any], claims: Claims) -> None:
    withheld = _points(cycle, "dropped", "sampled_out")
    kept = _points(cycle, "kept")
    protected = (*PROTECTED, INTERPRETED)
    claims["every protected process was seen and kept whole"] = all(
        kept.get(name, 0) > 0 and withheld.get(name, 0) == 0 for name in protected
    )
    claims["an optimiser's wish to drop protected processes was overridden"] = all(
        _row(cycle, name)["verdict"] == "keep (overridden)"
        for name in protected
        if name != "general-ledger-core"
    )
    claims["optional processes were dropped under a lease"] = all(
        withheld.get(name, 0) > 0 for name in OPTIONAL
    )
    claims["the ledger balances"] = cycle["imbalance"] == 0


def _without_gateway(console: Console, workplace: Workplace, claims: Claims) -> None:
    _title(console, 3, "The gateway is stopped: nothing is dropped")
    cycle = run_collector(workplace)
    points = cycle["points"]
    console.print(f"[yellow]{escape(str(cycle['outage']))}[/]")
    console.print(
        f"{points['kept']} points kept, {points['dropped']} dropped: cost rises, "
        "evidence does not fall."
    )
    claims["without the gateway nothing is dropped"] = (
        points["dropped"] + points["sampled_out"] == 0 and points["kept"] > 0
    )


def _again(console: Console, workplace: Workplace, claims: Claims) -> None:
    _title(console, 4, "The gateway is started again: leases, drops and the same log go on")
    with running_gateway(workplace):
        cycle = run_collector(workplace)
    points = cycle["points"]
    console.print(f"{points['kept']} points kept, {points['dropped']} dropped under new leases.")
    claims["after a restart the gateway gives leases again"] = points["dropped"] > 0


def _audit(console: Console, workplace: Workplace, claims: Claims) -> None:
    _title(console, 5, "An auditor verifies the log, with the collector's checkpoint as anchor")
    code, verdict = verify(workplace, workplace.database)
    console.print(f"[bold green]{verdict['verdict']}[/] {escape(verdict['sentence'])}")
    claims["the log verifies against the collector's own checkpoint"] = code == 0
    seq = _newest_decisions(workplace.database)
    proven = prove(workplace, seq)
    console.print(escape(proven.output.partition("\n")[0] or proven.errors.strip()))
    claims[
        f"one file and the public key prove entry {seq}, a collector's request"
    ] = not proven.code
    _archive(console, workplace, claims)
    _title(console, 7, "One byte of a copy is changed")
    copy = workplace.folder / "tampered.db"
    shutil.copy2(workplace.database, copy)
    changed = _change_one_byte(copy)
    code, verdict = verify(workplace, copy)
    console.print(f"Entry {changed} was edited by one byte.")
    console.print(f"[bold red]{verdict['verdict']}[/] {escape(verdict['sentence'])}")
    claims[f"the verifier names entry {changed}"] = (
        code == 1 and verdict["verdict"] == "TAMPERED" and verdict["first_bad_seq"] == changed
    )


def _archive(console: Console, workplace: Workplace, claims: Claims) -> None:
    _title(console, 6, "The archive alone, as if the database were lost")
    written = archive(workplace)
    code, verdict = verify(workplace, workplace.archive)
    console.print(f"[bold green]{verdict['verdict']}[/] {escape(verdict['sentence'])}")
    claims["the archive alone verifies, without the database"] = not written.code and code == 0


def _newest_decisions(database: Path) -> int:
    with sqlite3.connect(database) as connection:
        (seq,) = connection.execute(
            "SELECT max(seq) FROM entries WHERE instr(bytes, ?)", (b'"type":"decisions"',)
        ).fetchone()
    connection.close()
    return int(seq)


def _change_one_byte(database: Path) -> int:
    with sqlite3.connect(database) as connection:
        seq, data = connection.execute(
            "SELECT seq, bytes FROM entries WHERE instr(bytes, ?) ORDER BY seq LIMIT 1",
            (b'"type":"decisions"',),
        ).fetchone()
        place = data.rindex(b'"verdicts":[[') + len(b'"verdicts":[[')
        edited = bytearray(data)
        edited[place] = ord("8") if edited[place] != ord("8") else ord("7")
        connection.execute("UPDATE entries SET bytes = ? WHERE seq = ?", (bytes(edited), seq))
    connection.close()
    return int(seq)


def _points(cycle: Mapping[str, Any], *columns: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in cycle["classes"]:
        for name in row["names"]:
            found[name] = found.get(name, 0) + sum(row[column] for column in columns)
    return found


def _row(cycle: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    rows = (row for row in cycle["classes"] if name in row["names"])
    return next(rows, {"verdict": "absent"})


def _title(console: Console, number: int, text: str) -> None:
    console.print()
    console.rule(f"[bold]{number}. {text}[/]", align="left")
