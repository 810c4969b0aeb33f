"""`gateway policy explain`: why a process gets its verdict, and what would have to change."""

import json
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from gateway.authoring.explanation import Explanation, Finding
from gateway.authoring.explanation import explain as explain_inquiry
from gateway.authoring.inquiry import Inquiry, named_process, parse_attributes, read_proposal
from gateway.bundles.folder import read_bundle
from gateway.clock import Clock, SystemClock
from gateway.decisions.floor import FloorFile, read_floor
from gateway.decisions.windows import parse_windows
from gateway.errors import ConfigError, GatewayError, InputError
from gateway.policy_test_cli import WIDTH, show_busy
from gateway.transparency.notes import Verifier
from gateway.wire.classes import Sender
from gateway.wire.verdicts import KEEP_PERMILLE

_FLOOR_KEY_ENDING = "/floor"
_COLOURS = {"permitted": "bold green", "overridden": "bold yellow", "fail_safe": "bold red"}


def explain(
    bundle: Annotated[Path, typer.Argument(help="The bundle's folder.")] = Path("policies"),
    process: Annotated[
        Path | None,
        typer.Option(help="JSON: a process's attributes, or a proposal with `process`."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="A process by its executable's name.")] = None,
    attribute: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE, added to the process; repeat it.")
    ] = None,
    action: Annotated[
        str | None, typer.Option(help="drop (if nothing is said), sample or keep.")
    ] = None,
    sample_rate: Annotated[
        float | None, typer.Option(help="With sample: the share kept, between 0 and 1.")
    ] = None,
    score: Annotated[
        float | None, typer.Option(help="0 to 1; without one the process counts as critical.")
    ] = None,
    profile: Annotated[str | None, typer.Option(help="The optimiser's profile.")] = None,
    environment: Annotated[str, typer.Option(help="Of the collector.")] = "production",
    region: Annotated[str, typer.Option(help="Of the collector.")] = "us-east-1",
    tier: Annotated[str, typer.Option(help="Of the collector.")] = "unlisted",
    window: Annotated[
        list[str] | None,
        typer.Option(help="Open windows; repeat it. Without it those open now."),
    ] = None,
    no_window: Annotated[bool, typer.Option("--no-window", help="No window is open.")] = False,
    floor: Annotated[
        Path | None, typer.Option(help="The signed floor beside the bundle; needs --floor-key.")
    ] = None,
    floor_key: Annotated[
        list[Path] | None, typer.Option(help="A verifier key that may sign the floor; repeat it.")
    ] = None,
    opa: Annotated[Path, typer.Option(help="The OPA program.")] = Path(".parts/bin/opa"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Explain the verdict for one process: rules, lines, rows, and what would change it."""
    options = {"action": action, "sample_rate": sample_rate, "score": score, "profile": profile}
    proposal = _proposal(process, name, attribute or [], options)
    read = read_bundle(bundle)
    clock: Clock = SystemClock()
    windows = tuple(window or ())
    if no_window and windows:
        raise InputError("--no-window and --window contradict each other; leave one out")
    if not no_window and not windows:
        windows = parse_windows(read.windows).active(clock.now_us())
    inquiry = Inquiry(proposal, Sender(environment, region, tier), windows)
    floor_file = _floor_file(floor, floor_key or [])
    with show_busy("asking OPA"):
        found = explain_inquiry(read, bundle, inquiry, floor_file, opa, clock.now_us())
    if as_json:
        typer.echo(json.dumps(_record(found), indent=2))
    else:
        console = Console(highlight=False)
        for text, indent, style in _lines(found):
            for line in _wrapped(text, indent):
                console.print(Text(line, style), soft_wrap=True)


def _proposal(
    process: Path | None, name: str | None, attributes: list[str], options: dict[str, Any]
) -> dict[str, Any]:
    if (process is None) == (name is None):
        raise InputError("name the process with one of --process FILE.json and --name NAME")
    proposal: dict[str, Any] = {"action": "drop"}
    proposal |= read_proposal(process) if process else {"process": named_process(name or "")}
    proposal["process"] = {**proposal["process"], **parse_attributes(attributes)}
    return proposal | {key: value for key, value in options.items() if value is not None}


def _floor_file(path: Path | None, keys: list[Path]) -> FloorFile | None:
    if path is None:
        return None
    verifiers = []
    for key in keys:
        try:
            verifiers.append(Verifier.from_vkey(key.read_text(encoding="utf-8")))
        except (OSError, ValueError, GatewayError) as error:
            raise ConfigError(f"{key}: not a verifier key: {error}") from None
    if not verifiers or not verifiers[0].name.endswith(_FLOOR_KEY_ENDING):
        raise ConfigError(f"{path}: name the floor's verifier key with --floor-key")
    return read_floor(path, verifiers[0].name.removesuffix(_FLOOR_KEY_ENDING), verifiers)


def _lines(found: Explanation) -> Iterator[tuple[str, int, str]]:
    """Lines to print, with indent and style."""
    yield from _head_lines(found)
    yield "", 0, ""
    yield "Rules that fired" if found.findings else "No rule fired", 0, "bold"
    for finding in found.findings:
        yield from _finding_lines(finding, found.root)
    if found.floor:
        yield "", 0, ""
        yield "The floor keeps it", 0, "bold"
        for hit in found.floor:
            yield f"{hit.control}  {hit.row} ({hit.part})", 2, ""
            if hit.pattern:
                yield f"{hit.pattern} matches {', '.join(hit.matched)}", 4, "dim"
    if found.settled.obligations:
        yield "", 0, ""
        yield "Obligations", 0, "bold"
        for obligation in found.settled.obligations:
            yield _obligation_text(obligation), 2, ""
            for asked, finding in found.sources_of(obligation):
                # What was asked is said only where the verdict had to merge it with more.
                part = "" if asked == obligation else f": {_obligation_text(asked)}"
                yield f"from {_row_text(finding, found.root)}{part}", 4, "dim"
    yield from _change_lines(found)


def _head_lines(found: Explanation) -> Iterator[tuple[str, int, str]]:
    settled, asked = found.settled, found.process_class
    proposed = _action_text(asked.action, asked.sample_permille)
    verdict = _action_text(settled.action, settled.sample_permille)
    yield (
        f"{verdict.upper()}  ({settled.effect}; proposed: {proposed})",
        0,
        _COLOURS[settled.effect],
    )
    sender = asked.sender
    yield f"bundle {found.revision}, floor {found.floor_hash[:16]}", 2, "dim"
    yield f"from {sender.environment}, {sender.region}, tier {sender.tier}", 2, "dim"
    yield f"score counts as {asked.score / KEEP_PERMILLE:g}", 2, "dim"
    yield f"open windows: {', '.join(found.windows) or 'none'}", 2, "dim"
    for name, value in asked.attributes:
        yield f"{name} = {value}", 2, "dim"
    for name in found.undeclared:
        yield f"{name} is not declared in data/class: no policy can read it", 2, "yellow"
    if found.said:
        yield f"OPA gave no answer: {found.said}", 2, "red"


def _finding_lines(finding: Finding, root: str) -> Iterator[tuple[str, int, str]]:
    reason = finding.reason
    yield f"{reason.control}  {reason.level}  {reason.rule}", 2, ""
    yield reason.message, 4, ""
    if finding.rule_place:
        true = _ranges(finding.lines)
        yield f"rule {finding.rule_place}" + (f", true lines {true}" if true else ""), 4, "dim"
    if finding.row is not None:
        yield f"row {_row_text(finding, root)}", 4, "dim"
        if finding.reach:
            yield f"its family is for senders in {finding.reach}", 4, "dim"
        for name, attributes in finding.matched.items():
            yield f"{finding.row.pattern} matches {name} ({', '.join(attributes)})", 4, "dim"


def _change_lines(found: Explanation) -> Iterator[tuple[str, int, str]]:
    changes = [(finding.reason.control, finding.changes) for finding in found.findings]
    changes += [(hit.control, (hit.change,)) for hit in found.floor]
    changes = [(control, ways) for control, ways in changes if ways]
    yield "", 0, ""
    if changes and not found.is_permitted:
        yield "To be permitted, each of these would have to change", 0, "bold"
        for control, ways in changes:
            yield f"{control}: {ways[0]}", 2, ""
            for way in ways[1:]:
                yield f"or: {way}", 4, ""
    elif found.would_protect:
        yield "What would protect it", 0, "bold"
        for sentence in found.would_protect:
            yield sentence, 2, ""
    else:
        yield (
            "Nothing has to change: the proposal is granted as it is."
            if found.is_permitted
            else ("No verdict could be had; mend what OPA says above."),
            0,
            "bold",
        )


def _wrapped(text: str, indent: int) -> list[str]:
    """Lines of at most WIDTH columns; a place that is longer stays whole, so it can be copied."""
    margin = " " * indent
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=margin,
        subsequent_indent=margin + "  ",
        break_long_words=False,
        break_on_hyphens=False,
    ) or [""]


def _ranges(lines: Sequence[int]) -> str:
    """`14 to 17, 19`."""
    parts: list[list[int]] = []
    for line in lines:
        if parts and parts[-1][-1] == line - 1:
            parts[-1] = [parts[-1][0], line]
        else:
            parts.append([line])
    return ", ".join(" to ".join(map(str, part)) for part in parts)


def _row_text(finding: Finding, root: str) -> str:
    row = finding.row
    return f"{row.id}, {root}/{row.at}" if row else finding.reason.rule


def _action_text(action: str, permille: int) -> str:
    return f"sample {permille / KEEP_PERMILLE:g}" if action == "sample" else action


def _obligation_text(obligation: Any) -> str:
    settings = [
        f"{name} {', '.join(map(str, value)) if isinstance(value, list) else value}"
        for name, value in obligation.items()
        if name != "type"
    ]
    return " ".join([str(obligation["type"]), *settings])


def _record(found: Explanation) -> dict[str, Any]:
    asked = found.process_class
    return {
        "bundle": found.revision,
        "floor": found.floor_hash,
        "class": json.loads(asked.canonical()),
        "class_key": asked.key(),
        "windows": list(found.windows),
        "undeclared": list(found.undeclared),
        "verdict": found.settled.record(),
        "said": found.said or None,
        "findings": [_finding_record(finding, found.root) for finding in found.findings],
        "floor_rows": [
            {
                "part": hit.part,
                "row": hit.row,
                "control": hit.control,
                "pattern": hit.pattern or None,
                "matched": list(hit.matched),
                "change": hit.change,
            }
            for hit in found.floor
        ],
        "would_protect": list(found.would_protect),
    }


def _finding_record(finding: Finding, root: str) -> dict[str, Any]:
    row, reason = finding.row, finding.reason
    return {
        "control": reason.control,
        "level": reason.level,
        "rule": reason.rule,
        "message": reason.message,
        "place": finding.rule_place or None,
        "true_lines": list(finding.lines),
        "row": row and {"id": row.id, "pattern": row.pattern or None, "place": f"{root}/{row.at}"},
        "matched": {name: list(names) for name, names in finding.matched.items()},
        "obligations": [dict(obligation) for obligation in finding.obligations],
        "changes": list(finding.changes),
        "reach": finding.reach or None,
    }
