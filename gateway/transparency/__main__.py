"""The stand-alone verifier: python -m gateway.transparency DATABASE --key VKEY."""

import argparse
import json
import sys
from pathlib import Path

from gateway.transparency.report import (
    KEY_BESIDE_WARNING,
    check_database,
    describe,
    find_key_beside,
    printable,
    result_value,
)

_EPILOG = """exit codes: 0 the log holds; 1 it does not; 2 it could not be checked;
3 it is whole, but no checkpoint from outside says how long it should be"""


def main(arguments: list[str] | None = None) -> int:
    """Verify one log and write the result; gives the exit code."""
    options = _parser().parse_args(arguments)
    beside = None if options.key else find_key_beside(options.database)
    key = str(beside) if beside else options.key
    verdict = check_database(options.database, key, options.log, options.checkpoint)
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m gateway.transparency",
        description="Verify an audit log, offline, from its database alone.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("database", type=Path, metavar="DATABASE", help="a SQLite database")
    parser.add_argument("--key", metavar="VKEY", help="the log's verifier key, or a file with it")
    parser.add_argument("--log", metavar="ORIGIN", help="which log, when there are several")
    parser.add_argument(
        "--checkpoint",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="a signed checkpoint kept outside; may be given several times",
    )
    parser.add_argument("--json", action="store_true", help="write the result as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
