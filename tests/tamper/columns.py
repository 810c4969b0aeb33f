"""What stands beside the entries' bytes: columns, checkpoints, tiles, the journal, payloads, keys,
and what the auditor brings along."""

from gateway import canonical
from gateway.transparency.checkpoint import sign_checkpoint
from gateway.transparency.entry import leaf_hash
from gateway.transparency.notes import Signer
from tests.tamper.entries import cut_back
from tests.tamper.forger import Forger
from tests.tamper.mutation import Case, mutation, on_database


@mutation("columns beside correct bytes", "TAMPERED")
@on_database
def a_leaf_hash(forger: Forger) -> None:
    seq = forger.find("decisions", 20)
    forger.run("UPDATE entries SET leaf_hash = ? WHERE seq = ?", leaf_hash(b"x"), seq)


@mutation("columns beside correct bytes", "TAMPERED")
@on_database
def bytes_stored_as_text(forger: Forger) -> None:
    seq = forger.find("decisions", 20)
    forger.run("UPDATE entries SET bytes = CAST(bytes AS TEXT) WHERE seq = ?", seq)


@mutation("columns beside correct bytes", "TAMPERED")
@on_database
def a_number_stored_as_text(forger: Forger) -> None:
    forger.drop_key("entries")
    seq = forger.find("decisions", 20)
    forger.run("UPDATE entries SET seq = 'twenty' WHERE seq = ?", seq)


@mutation("edited checkpoint", "TAMPERED")
@on_database
def the_root_column(forger: Forger) -> None:
    forger.run("UPDATE checkpoints SET root = ? WHERE size = ?", bytes(32), middle(forger))


@mutation("edited checkpoint", "TAMPERED")
@on_database
def the_size_column(forger: Forger) -> None:
    size = middle(forger)
    forger.run("UPDATE checkpoints SET size = ? WHERE size = ?", size - 1, size)


@mutation("edited checkpoint", "TAMPERED")
@on_database
def the_text_of_the_note(forger: Forger) -> None:
    size = middle(forger)
    old, new = f"\n{size}\n", f"\n{size + 1}\n"
    statement = "UPDATE checkpoints SET note = replace(note, ?, ?) WHERE size = ?"
    forger.run(statement, old, new, size)


@mutation("edited checkpoint", "TAMPERED")
@on_database
def the_signature(forger: Forger) -> None:
    size = middle(forger)
    [(note,)] = forger.run("SELECT note FROM checkpoints WHERE size = ?", size)
    head, _, encoded = note.rstrip("\n").rpartition(" ")
    flipped = encoded[:20] + ("A" if encoded[20] != "A" else "B") + encoded[21:]
    statement = "UPDATE checkpoints SET note = ? WHERE size = ?"
    forger.run(statement, f"{head} {flipped}\n", size)


@mutation("edited edge", "TAMPERED")
@on_database
def the_edge_from_which_a_restart_goes_on(forger: Forger) -> None:
    size = middle(forger)
    statement = "UPDATE checkpoints SET edge = zeroblob(length(edge)) WHERE size = ?"
    forger.run(statement, size)


@mutation("checkpoints taken away", "TAMPERED")
def every_checkpoint_and_no_anchor(case: Case) -> None:
    forger = case.forger()
    forger.run("DELETE FROM checkpoints")
    forger.close()
    case.anchors.clear()


@mutation("edited tile", "TAMPERED")
@on_database
def a_hash_in_a_full_tile(forger: Forger) -> None:
    replace_hash(forger, 0)


@mutation("edited tile", "TAMPERED")
@on_database
def a_hash_in_a_tile_above(forger: Forger) -> None:
    replace_hash(forger, 1)


@mutation("deleted tile", "TAMPERED")
@on_database
def a_full_tile(forger: Forger) -> None:
    forger.run("DELETE FROM tiles WHERE level = 0 AND idx = 0")


@mutation("journal index", "TAMPERED")
@on_database
def the_type_of_a_journal_row(forger: Forger) -> None:
    forger.run("UPDATE journal SET type = 'alarm.ended' WHERE type = 'bundle.activated'")


@mutation("journal index", "TAMPERED")
@on_database
def a_journal_row_is_gone(forger: Forger) -> None:
    forger.run("DELETE FROM journal WHERE type = 'protection.added'")


@mutation("journal index", "TAMPERED")
@on_database
def a_journal_row_too_many(forger: Forger) -> None:
    seq = forger.find("decisions", 20)
    forger.run("INSERT INTO journal (log, seq, type) VALUES (?, ?, 'alarm.ended')", forger.log, seq)


@mutation("swapped payload", "TAMPERED")
@on_database
def two_payloads_change_places(forger: Forger) -> None:
    (one, first), (other, second) = forger.run("SELECT class_id, sealed FROM payloads LIMIT 2")
    forger.run("UPDATE payloads SET sealed = ? WHERE class_id = ?", second, one)
    forger.run("UPDATE payloads SET sealed = ? WHERE class_id = ?", first, other)


@mutation("edited payload", "TAMPERED")
@on_database
def a_byte_of_a_payload(forger: Forger) -> None:
    [(one, sealed)] = forger.run("SELECT class_id, sealed FROM payloads LIMIT 1")
    changed = sealed[:-1] + bytes([sealed[-1] ^ 1])
    forger.run("UPDATE payloads SET sealed = ? WHERE class_id = ?", changed, one)


@mutation("payload moved", "TAMPERED")
@on_database
def a_payload_under_another_retention_class(forger: Forger) -> None:
    """Where a hold does not keep it and a purge takes it sooner."""
    one = forger.run("SELECT class_id FROM payloads LIMIT 1")[0][0]
    forger.run("UPDATE payloads SET retention_class = 'brief' WHERE class_id = ?", one)


@mutation("payload moved", "TAMPERED")
@on_database
def a_payload_of_an_older_month(forger: Forger) -> None:
    one = forger.run("SELECT class_id FROM payloads LIMIT 1")[0][0]
    forger.run("UPDATE payloads SET month = '2019-01' WHERE class_id = ?", one)


@mutation("payload taken away", "MISSING")
@on_database
def a_payload_without_an_erasure(forger: Forger) -> None:
    one = forger.run("SELECT class_id FROM payloads LIMIT 1")[0][0]
    forger.run("DELETE FROM payload_keys WHERE class_id = ?", one)
    forger.run("DELETE FROM payloads WHERE class_id = ?", one)


@mutation("payload taken away", "MISSING")
@on_database
def a_payloads_key_alone(forger: Forger) -> None:
    one = forger.run("SELECT class_id FROM payloads LIMIT 1")[0][0]
    forger.run("DELETE FROM payload_keys WHERE class_id = ?", one)


@mutation("payload taken away", "MISSING")
@on_database
def a_months_key_without_a_purge(forger: Forger) -> None:
    forger.run("DELETE FROM month_keys")


@mutation("payload added", "TAMPERED")
@on_database
def a_payload_that_no_entry_names(forger: Forger) -> None:
    forger.run(
        "INSERT INTO payloads SELECT ?, log, month, region, retention_class, sealed "
        "FROM payloads LIMIT 1",
        "f" * 48,
    )


@mutation("forged removal", "MISSING")
@on_database
def an_erasure_in_the_unsealed_tail(forger: Forger) -> None:
    one = forger.run("SELECT class_id FROM payloads LIMIT 1")[0][0]
    forger.run("DELETE FROM payload_keys WHERE class_id = ?", one)
    forger.run("DELETE FROM payloads WHERE class_id = ?", one)
    append_removal(forger, "payloads.erased", {"classes": [one], "request": "R-1"})


@mutation("forged removal", "MISSING")
@on_database
def an_erasure_signed_by_the_key_that_nobody_approved(forger: Forger) -> None:
    an_erasure_in_the_unsealed_tail_of(forger)
    forger.rebuild(forger.signer)


@mutation("forged removal", "MISSING")
@on_database
def a_purge_in_the_unsealed_tail(forger: Forger) -> None:
    forger.run("DELETE FROM entries WHERE seq BETWEEN 0 AND 255")
    append_removal(forger, "entries.purged", {"first": 0, "last": 255})


@mutation("forged removal", "MISSING")
@on_database
def a_months_purge_that_cites_itself(forger: Forger) -> None:
    keys = [row[0] for row in forger.run("SELECT id FROM month_keys")]
    forger.run("DELETE FROM month_keys")
    append_removal(forger, "payloads.purged", {"month_keys": keys, "payloads": 1})
    forger.rebuild(forger.signer)


@mutation("restored backup", "ROLLBACK")
def an_old_copy_is_put_back(case: Case) -> None:
    case.evidence.write_bytes(case.earlier.read_bytes())


@mutation("restored backup", "FORK")
def an_old_copy_that_went_on(case: Case) -> None:
    an_old_copy_is_put_back(case)
    forger = case.forger()
    missing = 1 + newest_size(case) - forger.size
    for number in range(missing + 5):
        forger.append("denial", "spiffe://example.org/gateway/one", {"reason": str(number)})
    forger.rebuild(case.signer)
    forger.close()


@mutation("re-signed by a stranger", "TAMPERED")
def the_newest_checkpoint_signed_by_another_key(case: Case) -> None:
    forger = case.forger()
    size, root = forger.run("SELECT size, root FROM checkpoints ORDER BY size DESC LIMIT 1")[0]
    note = sign_checkpoint(size, root, case.thief).note
    forger.run("UPDATE checkpoints SET note = ? WHERE size = ?", note, size)
    forger.close()


@mutation("re-signed by a stranger", "FORK")
def a_history_rewritten_and_signed_by_another_key(case: Case) -> None:
    forger = case.forger()
    entries = forger.all_data()
    entries[0] = forger.edited(
        0, lambda value: value["body"].update(checkpoint_key=case.thief.vkey)
    )
    forger.write(forger.rechain(entries))
    forger.rebuild(case.thief)
    forger.close()


@mutation("another key given", "UNVERIFIABLE")
def a_key_that_signed_nothing_here(case: Case) -> None:
    case.key = case.thief.vkey


@mutation("edited anchor", "UNVERIFIABLE")
def an_anchor_that_somebody_changed(case: Case) -> None:
    text = case.anchors[-1].read_text()
    size = text.split("\n")[1]
    case.anchors[-1].write_text(text.replace(f"\n{size}\n", f"\n{int(size) - 1}\n"))


@mutation("edited anchor", "UNVERIFIABLE")
def an_anchor_of_another_log(case: Case) -> None:
    other = Signer("example.org/other", case.signer._key)
    case.anchors[-1].write_text(sign_checkpoint(3, bytes(32), other).note)


@mutation("forged anchor by the real key", "FORK")
def two_anchors_of_different_histories(case: Case) -> None:
    made = case.folder / "second.checkpoint"
    made.write_text(sign_checkpoint(newest_size(case), bytes(32), case.signer).note)
    case.anchors.append(made)


@mutation("damaged file", "UNVERIFIABLE")
def the_file_is_cut_short(case: Case) -> None:
    data = case.evidence.read_bytes()
    case.evidence.write_bytes(data[: len(data) // 2])


@mutation("damaged file", "UNVERIFIABLE")
def the_file_is_no_database(case: Case) -> None:
    case.evidence.write_bytes(b"not SQLite" + case.evidence.read_bytes()[10:])


@mutation("another log's name", "UNVERIFIABLE")
@on_database
def every_row_says_another_log(forger: Forger) -> None:
    for table in ("entries", "checkpoints", "tiles", "journal", "payloads"):
        forger.run(f"UPDATE {table} SET log = 'example.org/other'")


@mutation("truncate", "ROLLBACK")
def cut_back_to_before_the_older_anchor_alone(case: Case) -> None:
    forger = case.forger()
    cut_back(forger)
    forger.close()
    del case.anchors[1:]  # the older one is still longer than what is left


def middle(forger: Forger) -> int:
    """The size of a checkpoint between others."""
    sizes = [row[0] for row in forger.run("SELECT size FROM checkpoints ORDER BY size")]
    return int(sizes[len(sizes) // 2])


def replace_hash(forger: Forger, level: int) -> None:
    """Zeros for the first hash of the first tile of a level."""
    [(hashes,)] = forger.run("SELECT hashes FROM tiles WHERE level = ? AND idx = 0", level)
    statement = "UPDATE tiles SET hashes = ? WHERE level = ? AND idx = 0"
    forger.run(statement, bytes(32) + hashes[32:], level)


def append_removal(forger: Forger, type: str, body: dict[str, canonical.Value]) -> None:
    """A removal entry with its journal row, that cites a change which is about something else."""
    last = forger.run("SELECT max(seq) FROM journal")[0][0]
    change = {
        "approval_id": "CHG-1",
        "change_type": type,
        "justification": "x",
        "new_value": "",
        "previous_value": "",
        "user": "spiffe://example.org/gateway/one",
    }
    whole = {**body, "change": change, "id": f"c{last}", "prior": last}
    seq = forger.append(type, "spiffe://example.org/gateway/one", whole)
    forger.run("INSERT INTO journal (log, seq, type) VALUES (?, ?, ?)", forger.log, seq, type)


def an_erasure_in_the_unsealed_tail_of(forger: Forger) -> None:
    one = forger.run("SELECT class_id FROM payloads LIMIT 1")[0][0]
    forger.run("DELETE FROM payload_keys WHERE class_id = ?", one)
    forger.run("DELETE FROM payloads WHERE class_id = ?", one)
    append_removal(forger, "payloads.erased", {"classes": [one], "request": "R-1"})


def newest_size(case: Case) -> int:
    """Of the newest outside anchor."""
    return int(case.anchors[-1].read_text().split("\n")[1])
