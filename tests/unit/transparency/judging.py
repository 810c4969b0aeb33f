"""Verifying one log in every way there is, which must agree."""

from collections.abc import Sequence
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

from gateway.transparency import parallel
from gateway.transparency.blocks import Depth
from gateway.transparency.checkpoint import Checkpoint
from gateway.transparency.notes import Signer
from gateway.transparency.parallel import Parallel
from gateway.transparency.seals import IsWitnessed
from gateway.transparency.source import LogSource
from gateway.transparency.sqlite_source import SqliteSource
from gateway.transparency.verdict import Verdict
from gateway.transparency.verify import verify_log


class HereExecutor(Executor):
    """Workers that are this process."""

    def __init__(self, source: LogSource) -> None:
        opener = source.opener()
        assert opener is not None
        parallel.open_source_here(opener)

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def judge_everywhere(
    path: Path,
    keys: Sequence[Signer],
    anchors: Sequence[Checkpoint] = (),
    *,
    is_witnessed: IsWitnessed | None = None,
    depth: Depth = Depth.CANONICAL,
) -> Verdict:
    """The verdict in one process; asserts that chunks checked ahead give the very same."""
    verifiers = [key.verifier for key in keys]
    found = []
    for is_parallel in (False, True):
        with SqliteSource(path) as source:
            ahead = Parallel(HereExecutor(source), 2, 256) if is_parallel else None
            found.append(
                verify_log(
                    source,
                    source.origin,
                    verifiers,
                    anchors,
                    is_witnessed=is_witnessed,
                    depth=depth,
                    parallel=ahead,
                )
            )
            if is_parallel:
                parallel.close_source_here()
    assert found[1] == found[0], found
    return found[0]
