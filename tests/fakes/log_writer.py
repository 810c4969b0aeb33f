"""One of several processes that write to one log, to run as a program:

    python -m tests.fakes.log_writer DATABASE-URL NAME SECONDS SEED

SECONDS of 0: until its standard input ends. Prints `seq leaf-hash text` of each entry when it is
answered, and at the end how many were answered, and how many groups refused (the log unavailable)
and moved (the journal was elsewhere).
"""

import asyncio
import random
import secrets
import sys
import threading
import time

from gateway.audit.errors import MovedError
from gateway.audit.sql_log import SqlLog
from gateway.errors import LogUnavailableError
from gateway.storage.engine import open_database
from tests.fakes.sql_logs import note, open_log, payload, record

TASKS = 3
CHECKPOINT_SECONDS = 0.05
PAUSE_SECONDS = 0.05  # while the log is unavailable


class Writer:
    """Appends at random until its time is over."""

    def __init__(self, log: SqlLog, name: str, seed: int, seconds: float) -> None:
        self._log = log
        self._name = name
        self._random = random.Random(seed)
        self._until = time.monotonic() + (seconds or float("inf"))
        self.is_over = False
        self._texts = 0
        self.counts = {"answered": 0, "refused": 0, "moved": 0}

    async def run(self) -> None:
        """All tasks to their end."""
        await asyncio.gather(*(self._work() for _ in range(TASKS)))

    async def _work(self) -> None:
        while time.monotonic() < self._until and not self.is_over:
            try:
                await self._append()
            except MovedError:
                self.counts["moved"] += 1
            except LogUnavailableError:
                self.counts["refused"] += 1
                await asyncio.sleep(PAUSE_SECONDS)

    async def _append(self) -> None:
        texts = [self._text() for _ in range(self._random.choice((1, 1, 2, 5, 40)))]
        chance = self._random.random()
        after = None
        drafts = [note(text) for text in texts]
        if chance < 0.1:
            after = (await self._log.heads()).journal
            drafts.append(record("change.staged", None if after < 0 else after, texts[0]))
        sealed = [payload(secrets.token_hex(24)) for _ in range(3)] if chance > 0.8 else []
        places = await self._log.append(drafts, sealed, after=after)
        for text, place in zip(texts, places, strict=False):
            say(place.seq, place.leaf_hash.hex(), text)
        self.counts["answered"] += len(places)

    def _text(self) -> str:
        self._texts += 1
        return f"{self._name}-{self._texts}"


async def main(url: str, name: str, seconds: str, seed: str) -> None:
    engine = open_database(url)
    log = await open_log(engine, interval_seconds=CHECKPOINT_SECONDS)
    writer = Writer(log, name, int(seed), float(seconds))
    if not float(seconds):
        threading.Thread(target=lambda: end_with_input(writer), daemon=True).start()
    await writer.run()
    await log.aclose()
    engine.dispose()
    say("counts", *writer.counts.values())


def end_with_input(writer: Writer) -> None:
    sys.stdin.read()
    writer.is_over = True


def say(*words: object) -> None:
    """One line, at once."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
