"""Writes tests/golden/pinned.json anew: what the corpus and its expected answers are now.

    python -m tests.golden            then review what changed in the file, and commit it
    python -m tests.golden --ask      also ask the pinned OPA, and print where it disagrees

Exit status: 0 written (and OPA agrees), 1 OPA disagrees, 2 could not.
"""

import argparse
import json
import sys
from pathlib import Path

from tests.golden.agreement import disagreements
from tests.golden.corpus import SEED
from tests.golden.golden import load_golden
from tests.golden.opa import OpaFailedError, answer_all
from tests.golden.pinned import PATH, describe

ROOT = Path(__file__).resolve().parents[2]
_SHOWN = 20


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.golden", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--ask", action="store_true", help="ask OPA before anything is written")
    parser.add_argument("--policies", type=Path, default=ROOT / "policies")
    parser.add_argument("--opa", type=Path, default=ROOT / ".parts" / "bin" / "opa")
    options = parser.parse_args(arguments)
    try:
        golden = load_golden(options.policies)
        if options.ask:
            actual = answer_all(options.opa, options.policies, golden.questions)
            found = disagreements(golden.questions, golden.answers, actual)
            if found:
                sys.stdout.write("\n".join(found[:_SHOWN]) + f"\n{len(found)} disagreements\n")
                return 1
    except (OSError, ValueError, KeyError, OpaFailedError) as error:
        sys.stderr.write(f"golden: {type(error).__name__}: {error}\n")
        return 2
    described = describe(SEED, golden.questions, golden.answers)
    PATH.write_text(json.dumps(described, indent=1) + "\n")
    sys.stdout.write(f"{described['proposals']} proposals in {described['questions']} questions\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
