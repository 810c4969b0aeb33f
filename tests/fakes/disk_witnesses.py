"""What witnesses remember, on a failing disk: the gateway's own, and each collector. What one said
that it saw, it never forgets."""

from http import HTTPStatus
from pathlib import Path

from collector.client.witness import CHECKPOINT_FILE
from collector.client.witness import Witness as CollectorWitness
from collector.errors import EvidenceError
from gateway.clock import ManualClock
from gateway.transparency.merkle import inclusion_proof, node_reader
from gateway.wire.handovers import HandoversAnswer
from gateway.wire.verdicts import EntryRef
from gateway.witness.memory import WitnessMemory
from gateway.witness.witness import Witness
from tests.fakes.disk_child import Told, World
from tests.fakes.witnesses import COSIGNER, ORIGIN, SIGNER, Tree

_LOGS = {ORIGIN: (SIGNER.verifier,)}
_SIZES = (5, 6, 40, 300)


async def cosign_as_it_grows(world: World) -> None:
    """A witness is asked again and again, and starts anew in the middle."""
    tree = Tree()
    for part in (_SIZES[:2], _SIZES[2:]):
        with WitnessMemory(world.folder, _LOGS) as memory:
            witness = Witness(COSIGNER, _LOGS, memory, ManualClock())
            for size in part:
                answer = witness.add_checkpoint(tree.request(witness.newest_size(ORIGIN), size))
                if answer.status == HTTPStatus.OK:
                    world.tell("saw", size=size)
                else:
                    assert answer.status == HTTPStatus.SERVICE_UNAVAILABLE, answer
                    world.tell("unanswered", why=answer.body)


def assert_witness_remembers(folder: Path, told: Told) -> None:
    """It starts, knows what it cosigned, and refuses another history."""
    with WitnessMemory(folder, _LOGS) as memory:
        newest = memory.newest(ORIGIN)
        _assert_known(newest.size if newest else 0, newest.root if newest else b"", told)
        witness = Witness(COSIGNER, _LOGS, memory, ManualClock())
        for size in [size for size in _SIZES if size > witness.newest_size(ORIGIN)]:
            old = witness.newest_size(ORIGIN)
            if old:
                forked = Tree(salt="other")
                assert witness.add_checkpoint(forked.request(old, size)).status != HTTPStatus.OK
            assert witness.add_checkpoint(Tree().request(old, size)).status == HTTPStatus.OK
    assert sorted(path.suffix for path in folder.iterdir()) == ["", ".checkpoint"], "leftovers"


class _Prover:
    def fetch_consistency(self, from_size: int, to_size: int) -> list[bytes]:
        return Tree().proof(from_size, to_size)

    def fetch_inclusion(self, index: int, size: int) -> list[bytes]:
        return inclusion_proof(index, size, node_reader(Tree().leaves[:size]))

    def fetch_handovers(self) -> HandoversAnswer:
        return HandoversAnswer(())


async def observe_as_it_grows(world: World) -> None:
    """A collector keeps the newest checkpoint, and an entry that answered it until it is proven."""
    tree = Tree()
    witness = CollectorWitness(world.folder, SIGNER.verifier, _Prover(), ManualClock())
    for size in _SIZES:
        try:
            witness.record(EntryRef(size - 1, tree.leaves[size - 1].hex()))
            witness.observe(tree.note(size))
        except EvidenceError as error:
            world.tell("unanswered", why=str(error))
        else:
            world.tell("saw", size=size)


def assert_collector_remembers(folder: Path, told: Told) -> None:
    """It starts, knows what it saw, and goes on."""
    witness = CollectorWitness(folder, SIGNER.verifier, _Prover(), ManualClock())
    newest = witness.newest
    _assert_known(newest.size if newest else 0, newest.root if newest else b"", told)
    witness.observe(Tree().note(_SIZES[-1]))
    assert (folder / CHECKPOINT_FILE).read_text() == Tree().note(_SIZES[-1])


def _assert_known(size: int, root: bytes, told: Told) -> None:
    saw = max((int(str(telling["size"])) for telling in told.of("saw")), default=0)
    assert size in (0, *_SIZES)
    assert size >= saw, f"{saw} was seen, {size} is remembered"
    if size:
        assert root == Tree().root(size)
