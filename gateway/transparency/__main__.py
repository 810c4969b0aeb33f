"""The stand-alone verifier: python -m gateway.transparency SOURCE --key VKEY."""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

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

_EPILOG = """exit codes: 0 the log holds; 1 it does not; 2 it could not be checked;
3 it is whole, but no checkpoint from outside says how long it should be"""
_QUIET_SECONDS = 1.0
_STEP_SECONDS = 0.5


def main(arguments: list[str] | None = None) -> int:
    """Verify one log and write the result; gives the exit code."""
    options = _parser().parse_args(arguments)
    beside = None if options.key else find_key_beside(options.source)
    question = Question(
        address=options.source,
        keys=(str(beside),) if beside else tuple(options.key),
        log=options.log,
        checkpoints=options.checkpoint,
        policy=options.policy,
        depth=Depth(options.depth),
        state=options.state,
        jobs=options.jobs,
        tls=TlsFiles(options.ca, options.certificate, options.private_key),
    )
    verdict = check_source(question, _progress() if sys.stderr.isatty() else None)
    if options.json:
        value = result_value(verdict, is_key_beside=beside is not None)
        sys.stdout.write(json.dumps(value) + "\n")
        return verdict.exit_code
    lines = [f"{verdict.word}: {printable(verdict.sentence)}"]
    lines += [f"  {label + ':':<18}{text}" for label, text in describe(verdict)]
    if beside:
        lines.append(f"  {'note:':<18}{KEY_BESIDE_WARNING}")
    sys.stdout.write("\n".join(lines) + "\n")
    return verdict.exit_code


def _progress() -> Callable[[int, int], None]:
    """A line on the terminal, from the second second on."""
    started = shown = time.monotonic()

    def tell(done: int, expected: int) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - started < _QUIET_SECONDS or now - shown < _STEP_SECONDS:
            return
        shown = now
        rate = done / (now - started)
        left = (expected - done) / rate if rate else 0.0
        sys.stderr.write(f"\r{done:,} of {expected:,} entries, {rate:,.0f}/s, {left:,.0f} s left  ")
        if done >= expected:
            sys.stderr.write("\r\033[K")
        sys.stderr.flush()

    return tell


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m gateway.transparency",
        description="Verify an audit log, offline, from its evidence alone.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="a SQLite database, an exported folder, an archive's folder, or an http(s) address",
    )
    parser.add_argument(
        "--key",
        action="append",
        default=[],
        metavar="VKEY",
        help="a verifier key of the log, or a file with it; again for older ones",
    )
    parser.add_argument("--log", metavar="ORIGIN", help="which log, when there are several")
    parser.add_argument(
        "--checkpoint",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="a signed checkpoint kept outside; may be given several times",
    )
    parser.add_argument(
        "--policy", type=Path, metavar="FILE", help="which witnesses must have cosigned"
    )
    parser.add_argument(
        "--depth",
        choices=[str(depth) for depth in Depth],
        default=str(Depth.CANONICAL),
        help="how much of each entry is checked (default: canonical, all of it)",
    )
    parser.add_argument(
        "--state", type=Path, metavar="FILE", help="go on from here, and keep where it ended"
    )
    parser.add_argument("--jobs", type=int, metavar="N", help="processes (default: the cores)")
    parser.add_argument("--ca", type=Path, metavar="FILE", help="for https: the CA")
    parser.add_argument("--certificate", type=Path, metavar="FILE", help="for https: who asks")
    parser.add_argument("--private-key", type=Path, metavar="FILE", help="for https: its key")
    parser.add_argument("--json", action="store_true", help="write the result as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
