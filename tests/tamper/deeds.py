"""Around what two people did: keys that changed hands, payloads that were erased. Here `signer`
holds the log's newest key and `thief` the one before it, whose turn is over."""

import json
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.transparency.checkpoint import open_checkpoint, sign_checkpoint
from gateway.transparency.notes import Signer
from tests.tamper.forger import Forger
from tests.tamper.mutation import Case, mutation, on_database


@mutation("re-sealed with a newer key", "TAMPERED", "governed")
def an_old_checkpoint_signed_by_the_new_key(case: Case) -> None:
    with_forger(case, lambda forger: resign(forger, seam(forger) - 1, case.signer, [case.thief]))


@mutation("re-sealed with a newer key", "TAMPERED", "governed")
def every_old_checkpoint_signed_by_the_new_key(case: Case) -> None:
    def act(forger: Forger) -> None:
        for (size,) in forger.run("SELECT size FROM checkpoints WHERE size < ?", seam(forger)):
            sign(forger, size, case.signer)

    with_forger(case, act)


@mutation("signed past its turn", "TAMPERED", "governed")
def a_new_checkpoint_signed_by_the_old_key(case: Case) -> None:
    def act(forger: Forger) -> None:
        [(size,)] = forger.run("SELECT min(size) FROM checkpoints WHERE size > ?", seam(forger))
        sign(forger, size, case.thief)

    with_forger(case, act)


@mutation("hand-over without the old key", "TAMPERED", "governed")
def the_seam_signed_by_the_new_key_alone(case: Case) -> None:
    with_forger(case, lambda forger: sign(forger, seam(forger), case.signer))


@mutation("hand-over without the new key", "TAMPERED", "governed")
def the_seam_signed_by_the_old_key_alone(case: Case) -> None:
    with_forger(case, lambda forger: sign(forger, seam(forger), case.thief))


@mutation("hand-over without its checkpoint", "TAMPERED", "governed")
@on_database
def the_seam_is_gone(forger: Forger) -> None:
    forger.run("DELETE FROM checkpoints WHERE size = ?", seam(forger))


@mutation("lost key", "UNVERIFIABLE", "governed")
def a_key_of_which_nobody_heard(case: Case) -> None:
    stranger = Signer(case.signer.name, Ed25519PrivateKey.from_private_bytes(b"stranger" * 4))
    case.key = stranger.vkey
    case.anchors.clear()


@mutation("more than was erased", "MISSING", "governed")
@on_database
def another_payload_beside_a_lawful_erasure(forger: Forger) -> None:
    one = forger.run("SELECT class_id FROM payloads LIMIT 1")[0][0]
    forger.run("DELETE FROM payload_keys WHERE class_id = ?", one)
    forger.run("DELETE FROM payloads WHERE class_id = ?", one)


@mutation("erased payload put back", "TAMPERED", "governed")
@on_database
def an_erased_payload_is_put_back(forger: Forger) -> None:
    """Whoever kept a copy revives what was destroyed."""
    seq = forger.find("payloads.erased")
    [erased] = json.loads(forger.data(seq))["body"]["classes"]
    forger.run(
        "INSERT INTO payloads SELECT ?, log, month, region, retention_class, sealed "
        "FROM payloads LIMIT 1",
        erased,
    )


@mutation("erased payload put back", "TAMPERED", "governed")
@on_database
def an_erased_payloads_key_alone_is_put_back(forger: Forger) -> None:
    """Whoever kept the sealed bytes can open them again."""
    [erased] = json.loads(forger.data(forger.find("payloads.erased")))["body"]["classes"]
    forger.run("INSERT INTO payload_keys SELECT ?, month_key, wrapped FROM payload_keys LIMIT 1",
               erased)  # fmt: skip


def seam(forger: Forger) -> int:
    """The size of the hand-over's checkpoint."""
    return forger.find("key.handed-over") + 1


def sign(forger: Forger, size: int, signer: Signer) -> None:
    """The checkpoint of `size` with this signature and no other."""
    [(root,)] = forger.run("SELECT root FROM checkpoints WHERE size = ?", size)
    note = sign_checkpoint(size, root, signer).note
    forger.run("UPDATE checkpoints SET note = ? WHERE size = ?", note, size)


def resign(forger: Forger, below: int, signer: Signer, others: list[Signer]) -> None:
    """The newest checkpoint of at most `below` entries, signed by somebody else."""
    [(size, note)] = forger.run(
        "SELECT size, note FROM checkpoints WHERE size <= ? ORDER BY size DESC LIMIT 1", below
    )
    assert open_checkpoint(note, others[0].verifier).size == size
    sign(forger, size, signer)


def with_forger(case: Case, act: Callable[[Forger], None]) -> None:
    """Run `act` with a hand at the database."""
    forger = case.forger()
    try:
        act(forger)
    finally:
        forger.close()
