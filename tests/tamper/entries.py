"""Entries edited, moved, removed and added."""

import json

from gateway.transparency.entry import leaf_hash
from tests.tamper.forger import Forger
from tests.tamper.mutation import Case, mutation, on_database


@mutation("edit", "TAMPERED")
@on_database
def a_byte_of_an_entry(forger: Forger) -> None:
    seq = forger.find("decisions", 20)
    data = forger.data(seq)
    forger.put(seq, data.replace(b'"activation":', b'"activatiom":'), leaf_hash(data))


@mutation("edit", "TAMPERED")
@on_database
def a_verdict_with_its_leaf_hash(forger: Forger) -> None:
    seq = forger.find("evaluations")
    data = forger.data(seq)
    assert b"overridden" in data
    forger.put(seq, data.replace(b"overridden", b"permitted"))


@mutation("edit", "TAMPERED")
@on_database
def who_did_it(forger: Forger) -> None:
    seq = forger.find("decisions", 5)
    forger.put(seq, forger.edited(seq, lambda value: value.update(actor=value["actor"] + "x")))


@mutation("edit", "TAMPERED")
@on_database
def when_it_was(forger: Forger) -> None:
    seq = forger.find("decisions", 7)
    last = "1" if json.loads(forger.data(seq))["time"][-2] != "1" else "2"
    forger.put(
        seq, forger.edited(seq, lambda value: value.update(time=f"{value['time'][:-2]}{last}Z"))
    )


@mutation("edit", "TAMPERED")
@on_database
def the_first_entry(forger: Forger) -> None:
    forger.put(0, forger.edited(0, lambda value: value.update(actor="spiffe://example.org/x/y")))


@mutation("edit", "TAMPERED")
@on_database
def the_last_entry(forger: Forger) -> None:
    seq = forger.size - 1
    forger.put(seq, forger.edited(seq, lambda value: value["body"].update(reason="crashed")))


@mutation("suffix rewritten", "TAMPERED")
@on_database
def everything_after_an_edit_chained_anew(forger: Forger) -> None:
    entries = forger.all_data()
    seq = forger.find("decisions", 20)
    entries[seq] = forger.edited(seq, lambda value: value["body"].update(fail_safe={"x": 1}))
    forger.write(forger.rechain(entries))


@mutation("suffix rewritten", "TAMPERED")
@on_database
def the_same_with_tiles_and_edges(forger: Forger) -> None:
    everything_after_an_edit(forger)
    forger.rebuild()


@mutation("suffix rewritten, later checkpoints dropped", "FORK")
@on_database
def the_same_without_the_checkpoints_that_tell(forger: Forger) -> None:
    seq = everything_after_an_edit(forger)
    forger.rebuild()
    forger.run("DELETE FROM checkpoints WHERE size > ?", seq)


@mutation("suffix rewritten, signed by the real key", "FORK")
def a_rewritten_suffix_with_resigned_heads(case: Case) -> None:
    forger = case.forger()
    everything_after_an_edit(forger)
    forger.rebuild(case.signer)
    forger.close()


@mutation("suffix rewritten, signed by the real key", "UNANCHORED")
def a_rewritten_suffix_that_nobody_outside_can_contradict(case: Case) -> None:
    a_rewritten_suffix_with_resigned_heads(case)
    case.anchors.clear()


@mutation("whole history rewritten, signed by the real key", "FORK")
def another_history_from_the_first_entry(case: Case) -> None:
    forger = case.forger()
    entries = forger.all_data()
    entries[0] = forger.edited(0, lambda value: value["body"].update(note="x"))
    forger.write(forger.rechain(entries))
    forger.rebuild(case.signer)
    forger.close()


@mutation("swap", "TAMPERED")
@on_database
def two_neighbours_bytes(forger: Forger) -> None:
    seq = forger.find("decisions", 30)
    one, other = forger.data(seq), forger.data(seq + 1)
    forger.put(seq, other)
    forger.put(seq + 1, one)


@mutation("swap", "TAMPERED")
@on_database
def two_far_entries_chained_anew(forger: Forger) -> None:
    entries = forger.all_data()
    one, other = forger.find("decisions", 3), forger.find("decisions", 60)
    entries[one], entries[other] = entries[other], entries[one]
    forger.write(forger.rechain(entries))
    forger.rebuild()


@mutation("delete", "MISSING")
@on_database
def one_entry(forger: Forger) -> None:
    forger.run("DELETE FROM entries WHERE seq = ?", forger.find("decisions", 20))


@mutation("delete", "MISSING")
@on_database
def the_first(forger: Forger) -> None:
    forger.run("DELETE FROM entries WHERE seq = 0")


@mutation("delete", "MISSING")
@on_database
def a_range(forger: Forger) -> None:
    forger.run("DELETE FROM entries WHERE seq BETWEEN 20 AND 60")


@mutation("delete", "MISSING")
@on_database
def a_whole_tile_of_entries_without_a_purge(forger: Forger) -> None:
    forger.run("DELETE FROM entries WHERE seq BETWEEN 0 AND 255")


@mutation("delete and renumber", "TAMPERED")
@on_database
def one_entry_and_the_rows_move_up(forger: Forger) -> None:
    entries = forger.all_data()
    del entries[forger.find("decisions", 20)]
    forger.write(entries)


@mutation("delete and renumber", "TAMPERED")
@on_database
def one_entry_chained_anew(forger: Forger) -> None:
    entries = forger.all_data()
    del entries[forger.find("decisions", 20)]
    forger.write(forger.rechain(entries))
    forger.rebuild()


@mutation("insert", "TAMPERED")
@on_database
def an_entry_in_the_middle(forger: Forger) -> None:
    entries = forger.all_data()
    at = forger.find("decisions", 20)
    entries.insert(at, entries[at])
    forger.write(forger.rechain(entries))
    forger.rebuild()


@mutation("append without the key", "OK_UNSEALED")
@on_database
def an_entry_at_the_end(forger: Forger) -> None:
    # Nobody can tell it from what a crash leaves; the verdict says that nothing vouches for it.
    forger.append("denial", "spiffe://example.org/gateway/one", {"reason": "x"})


@mutation("duplicate last leaf", "TAMPERED")
@on_database
def the_last_entry_twice(forger: Forger) -> None:
    data = forger.data(forger.size - 1)
    row = (forger.log, forger.size, data, leaf_hash(data))
    forger.run("INSERT INTO entries VALUES (?, ?, ?, ?)", *row)


@mutation("duplicate seq", "DUPLICATE_SEQ")
@on_database
def one_number_twice(forger: Forger) -> None:
    forger.drop_key("entries")
    seq = forger.find("decisions", 20)
    forger.run("INSERT INTO entries SELECT * FROM entries WHERE seq = ?", seq)


@mutation("truncate", "ROLLBACK")
@on_database
def the_end_of_the_entries(forger: Forger) -> None:
    forger.run("DELETE FROM entries WHERE seq >= ?", forger.size - 30)


@mutation("truncate", "MISSING")
def the_end_of_the_entries_with_nobody_outside(case: Case) -> None:
    forger = case.forger()
    forger.run("DELETE FROM entries WHERE seq >= ?", forger.size - 30)
    forger.close()
    case.anchors.clear()


@mutation("truncate", "ROLLBACK")
@on_database
def the_end_with_its_checkpoints(forger: Forger) -> None:
    cut_back(forger)


@mutation("truncate", "UNANCHORED")
def the_end_with_nobody_outside(case: Case) -> None:
    forger = case.forger()
    cut_back(forger)
    forger.close()
    case.anchors.clear()


@mutation("field boundary", "TAMPERED")
@on_database
def a_character_moves_from_the_actor_to_the_type(forger: Forger) -> None:
    seq = forger.find("decisions", 20)

    def shift(value: dict[str, str]) -> None:
        value["actor"], value["type"] = value["actor"][:-1], value["actor"][-1] + value["type"]

    forger.put(seq, forger.edited(seq, shift))


@mutation("field boundary", "TAMPERED")
@on_database
def a_byte_moves_to_the_next_entry(forger: Forger) -> None:
    seq = forger.find("decisions", 20)
    one, other = forger.data(seq), forger.data(seq + 1)
    forger.put(seq, one[:-1])
    forger.put(seq + 1, one[-1:] + other)


@mutation("second preimage", "TAMPERED")
@on_database
def a_node_in_place_of_two_leaves(forger: Forger) -> None:
    seq = forger.find("decisions", 20) // 2 * 2
    joined = leaf_hash(forger.data(seq)) + leaf_hash(forger.data(seq + 1))
    forger.put(seq, b"\x01" + joined)


@mutation("not canonical", "TAMPERED")
@on_database
def white_space_in_the_last_entry_signed_again(forger: Forger) -> None:
    # By the real key, so that nothing but the form is wrong.
    seq = forger.size - 1
    forger.put(seq, forger.data(seq).replace(b'"body":', b'"body": '))
    forger.rebuild(forger.signer)


@mutation("not canonical", "TAMPERED")
@on_database
def a_name_twice_in_the_last_entry_signed_again(forger: Forger) -> None:
    seq = forger.size - 1
    data = forger.data(seq).replace(b'"v":1}', b'"v":1,"v":1}')
    assert json.loads(data)["v"] == 1
    forger.put(seq, data)
    forger.rebuild(forger.signer)


@mutation("another log's entry", "TAMPERED")
@on_database
def an_entry_of_another_log_signed_again(forger: Forger) -> None:
    seq = forger.size - 1
    forger.put(seq, forger.edited(seq, lambda value: value.update(log="example.org/other")))
    forger.rebuild(forger.signer)


@mutation("clock", "FORK", flags=("CLOCK",))
def time_that_goes_back_signed_by_the_real_key(case: Case) -> None:
    forger = case.forger()
    entries = forger.all_data()
    seq = forger.find("decisions", 20)
    entries[seq] = forger.edited(seq, lambda value: value.update(time="2020" + value["time"][4:]))
    forger.write(forger.rechain(entries))
    forger.rebuild(case.signer)
    forger.close()


def everything_after_an_edit(forger: Forger) -> int:
    """Edit an entry and chain all behind it anew; its seq."""
    entries = forger.all_data()
    seq = forger.find("decisions", 20)
    entries[seq] = forger.edited(seq, lambda value: value["body"].update(fail_safe={"x": 1}))
    forger.write(forger.rechain(entries))
    return seq


def cut_back(forger: Forger) -> None:
    """As if the last part had never been written: rows, checkpoints, tiles."""
    size = forger.run("SELECT size FROM checkpoints ORDER BY size LIMIT 1 OFFSET 2")[0][0]
    forger.run("DELETE FROM entries WHERE seq >= ?", size)
    forger.run("DELETE FROM checkpoints WHERE size > ?", size)
    forger.run("DELETE FROM journal WHERE seq >= ?", size)
    named = [row for data in forger.all_data() if b'"type":"payloads.sealed"' in data
             for row in json.loads(data)["body"]["payloads"]]  # fmt: skip
    marks = ", ".join("?" for _ in named)
    for table in ("payload_keys", "payloads"):
        where = f"class_id NOT IN ({marks})"
        forger.run(f"DELETE FROM {table} WHERE {where}", *(class_id for class_id, _ in named))
    forger.rebuild()
