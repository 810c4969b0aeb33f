"""`gateway audit verify`: the verdict on a whole log, from wherever it lies."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from gateway.clock import SystemClock
from gateway.sources import ADAPTERS
from gateway.transparency.blocks import Depth
from gateway.transparency.report import (
    KEY_BESIDE_WARNING,
    Question,
    check_source,
    describe,
    find_key_beside,
    printable,
    result_value,
)
from gateway.transparency.sources import TlsFiles
from gateway.transparency.verdict import Verdict
from gateway.transparency.verify import Progress as OnProgress

_COLOURS = {0: "bold green", 1: "bold red", 2: "bold magenta", 3: "bold yellow"}
_QUIET_SECONDS = 1.0


def verify(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A SQLite database, an exported folder, an archive's folder, or an address: "
            "http(s)://, postgresql://, s3://.",
        ),
    ],
    key: Annotated[
        list[str] | None,
        typer.Option(
            "--key",
            metavar="VKEY",
            help="A verifier key of the log, or a file with it; again for older ones.",
        ),
    ] = None,
    log: Annotated[
        str | None,
        typer.Option("--log", metavar="ORIGIN", help="Which log, when there are several."),
    ] = None,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(
            "--checkpoint",
            metavar="FILE",
            help="A signed checkpoint kept outside, as collectors do; may be given several times.",
        ),
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option(
            "--policy", metavar="FILE", help="Which witnesses must have cosigned (tlog-policy)."
        ),
    ] = None,
    depth: Annotated[
        Depth, typer.Option(help="How much of each entry is checked.", show_default=True)
    ] = Depth.CANONICAL,
    state: Annotated[
        Path | None,
        typer.Option("--state", metavar="FILE", help="Go on from here, and keep where it ended."),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", metavar="N", min=1, help="Processes (default: the cores)."),
    ] = None,
    ca: Annotated[
        Path | None, typer.Option("--ca", metavar="FILE", help="For https: the CA.")
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option("--certificate", metavar="FILE", help="For https: who asks."),
    ] = None,
    private_key: Annotated[
        Path | None,
        typer.Option("--private-key", metavar="FILE", help="For https: its private key."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write the result as JSON.")] = False,
) -> None:
    """Verify the whole log and say what is proven.

    Exit code 0: it holds. 1: it does not. 2: it could not be checked. 3: it is whole, but no
    checkpoint from outside says how long it should be.
    """
    beside = None if key else find_key_beside(source)
    question = Question(
        address=source,
        keys=(str(beside),) if beside else tuple(key or ()),
        log=log,
        checkpoints=checkpoint or (),
        policy=policy,
        depth=depth,
        state=state,
        jobs=jobs,
        tls=TlsFiles(ca, certificate, private_key),
    )
    with _progress() as progress:
        verdict = check_source(question, progress, ADAPTERS)
    if as_json:
        typer.echo(json.dumps(result_value(verdict, is_key_beside=beside is not None)))
    else:
        _show(verdict, is_key_beside=beside is not None)
    raise typer.Exit(verdict.exit_code)


def _show(verdict: Verdict, *, is_key_beside: bool) -> None:
    console = Console()
    head = Text(str(verdict.word), _COLOURS[verdict.exit_code])
    console.print(head.append(f"  {printable(verdict.sentence)}", "default not bold"))
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for label, text in describe(verdict):
        table.add_row(label, Text(text))
    if is_key_beside:
        table.add_row("note", Text(KEY_BESIDE_WARNING, "yellow"))
    console.print(table)


@contextmanager
def _progress() -> Iterator[OnProgress | None]:
    """A bar with rate and time left, from the second second on and only on a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    bar = Progress(
        TextColumn("verifying"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f} entries"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    clock = SystemClock()
    started_ns = clock.boottime_ns()
    task = bar.add_task("verify", total=None, rate="")

    def on_progress(done: int, expected: int) -> None:
        elapsed_seconds = (clock.boottime_ns() - started_ns) / 1e9
        if elapsed_seconds > _QUIET_SECONDS:
            bar.start()
            bar.update(
                task, completed=done, total=expected, rate=f"{done / elapsed_seconds:,.0f}/s"
            )

    try:
        yield on_progress
    finally:
        bar.stop()
