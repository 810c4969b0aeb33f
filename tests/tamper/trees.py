"""Exported folders and archives, changed by whoever keeps them."""

import shutil
from collections.abc import Callable
from pathlib import Path

from gateway.transparency.checkpoint import sign_checkpoint
from tests.tamper.mutation import Case, mutation

BUNDLES, TILES = Path("tile", "entries"), Path("tile")


@mutation("edited bundle", "TAMPERED", "folder")
def a_byte_in_a_bundle(case: Case) -> None:
    edit(case.evidence / BUNDLES / "000", lambda data: data.replace(b'"drop"', b'"keep"', 1))


@mutation("edited bundle", "TAMPERED", "folder")
def the_length_of_an_entry(case: Case) -> None:
    edit(case.evidence / BUNDLES / "000", lambda data: bytes([data[0], data[1] ^ 1]) + data[2:])


@mutation("deleted bundle", "MISSING", "folder")
def a_whole_bundle(case: Case) -> None:
    (case.evidence / BUNDLES / "000").unlink()


@mutation("deleted bundle", "ROLLBACK", "folder")
def the_partial_bundle(case: Case) -> None:
    newest_partial(case.evidence / BUNDLES).unlink()


@mutation("swapped bundle", "TAMPERED", "folder")
def one_bundle_in_place_of_another(case: Case) -> None:
    partial = newest_partial(case.evidence / BUNDLES)
    width = int(partial.name)
    whole = (case.evidence / BUNDLES / "000").read_bytes()
    at = 0
    for _ in range(width):
        at += 2 + int.from_bytes(whole[at : at + 2], "big")
    replace(partial, whole[:at])


@mutation("truncated bundle", "TAMPERED", "folder")
def a_bundle_cut_below_the_checkpoint(case: Case) -> None:
    edit(newest_partial(case.evidence / BUNDLES), lambda data: data[: len(data) // 2])


@mutation("edited tile", "TAMPERED", "folder")
def a_hash_in_a_tile_of_the_folder(case: Case) -> None:
    edit(case.evidence / TILES / "0" / "000", lambda data: bytes(32) + data[32:])


@mutation("edited tile", "TAMPERED", "folder")
def a_hash_in_the_partial_tile(case: Case) -> None:
    path = newest_partial(case.evidence / TILES / "0")
    edit(path, lambda data: data[:-32] + bytes(32))


@mutation("restored backup", "ROLLBACK", "folder")
def an_older_export(case: Case) -> None:
    shutil.rmtree(case.evidence)
    shutil.copytree(case.earlier, case.evidence)


@mutation("edited checkpoint", "TAMPERED", "folder")
def the_checkpoint_of_another_key(case: Case) -> None:
    path = case.evidence / "checkpoint"
    size = int(path.read_text().split("\n")[1])
    replace(path, sign_checkpoint(size, bytes(32), case.thief).note.encode())


@mutation("edited checkpoint", "TAMPERED", "folder")
def a_checkpoint_of_the_real_key_over_another_root(case: Case) -> None:
    path = case.evidence / "checkpoint"
    size = int(path.read_text().split("\n")[1])
    replace(path, sign_checkpoint(size, bytes(32), case.signer).note.encode())
    case.anchors.clear()


@mutation("torn write", "CRASH_TAIL", "folder")
def a_bundle_torn_behind_the_checkpoint(case: Case) -> None:
    partial = newest_partial(case.evidence / BUNDLES)
    longer = partial.with_name(str(int(partial.name) + 5))
    longer.write_bytes(partial.read_bytes() + b"\x02\x00torn")


@mutation("edited segment", "TAMPERED", "archive")
def a_byte_in_a_segment(case: Case) -> None:
    edit(segments(case)[0], lambda data: data.replace(b'"drop"', b'"keep"', 1))


@mutation("deleted segment", "MISSING", "archive")
def a_segment_between_others(case: Case) -> None:
    unlink(segments(case)[1])


@mutation("deleted segment", "MISSING", "archive")
def the_first_segment(case: Case) -> None:
    unlink(segments(case)[0])


@mutation("deleted segment", "ROLLBACK", "archive")
def the_last_segment(case: Case) -> None:
    last = segments(case)[-1]
    unlink(last)
    for note in sorted(case.evidence.rglob("checkpoints/*"))[-1:]:
        unlink(note)


@mutation("torn write", "CRASH_TAIL", "archive")
def the_last_segment_torn(case: Case) -> None:
    del case.anchors[1:]  # which is as old as what holds
    edit(segments(case)[-1], lambda data: data[: len(data) - 100])
    for note in sorted(case.evidence.rglob("checkpoints/*"))[-1:]:
        unlink(note)


@mutation("swapped segment", "TAMPERED", "archive")
def two_segments_change_names(case: Case) -> None:
    one, other = segments(case)[:2]
    first, second = one.read_bytes(), other.read_bytes()
    replace(one, second)
    replace(other, first)


@mutation("edited label", "UNVERIFIABLE", "archive")
def the_archives_label_says_another_log(case: Case) -> None:
    [label] = case.evidence.rglob("log.json")
    edit(label, lambda data: data.replace(b'"log":"', b'"log":"x'))


def segments(case: Case) -> list[Path]:
    """In order."""
    return sorted(case.evidence.rglob("*.segment"))


def newest_partial(folder: Path) -> Path:
    """The widest partial tile of the last tile in a folder."""
    return max(
        (path for path in folder.rglob("*.p/*") if path.is_file()),
        key=lambda path: (path.parent.name, int(path.name)),
    )


def edit(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Change a file, which must really change."""
    before = path.read_bytes()
    after = change(before)
    assert after != before
    replace(path, after)


def replace(path: Path, data: bytes) -> None:
    """Other bytes under the same name, whatever its mode."""
    path.chmod(0o600)
    path.write_bytes(data)


def unlink(path: Path) -> None:
    """Remove a file."""
    path.unlink()
