"""Writing the pack."""

import hashlib
import io
import json
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.audit.export import export_tree
from gateway.clock import format_time
from gateway.pack.page import PageFacts, render_page
from gateway.pack.verifier import build_verifier
from gateway.reading.csv_rows import write_csv
from gateway.reading.ocsf import write_ocsf
from gateway.reading.reading import read_rows
from gateway.reading.rows import Located, locate
from gateway.reading.selection import Selection
from gateway.transparency.errors import SourceError
from gateway.transparency.folder_source import FolderSource
from gateway.transparency.notes import Verifier
from gateway.transparency.proof_file import encode_proof
from gateway.transparency.proving import prove_entry
from gateway.transparency.source import LogSource

MAX_PROOFS = 1_000
_DAY = (1980, 1, 1, 0, 0, 0)
_GZIP = b"\x1f\x8b"

FindBundle = Callable[[str], bytes | None]


@dataclass(frozen=True, slots=True)
class Asked:
    """Which entries get rows and proofs: `first` to `last`, inclusive; the log is there whole."""

    first: int = 0
    last: int | None = None


@dataclass(frozen=True, slots=True)
class Packed:
    """What was written: the whole log, of `entries`, and the rows of `rows` of them (of those that
    were asked for and are there: a purge leaves none)."""

    path: Path
    entries: int
    rows: int
    proofs: int
    policies: int
    bytes: int


def write_pack(
    source: LogSource,
    verifier: Verifier,
    asked: Asked,
    out: Path,
    now_us: int,
    public_keys: Mapping[str, bytes] | None = None,
    find_bundle: FindBundle = lambda hash: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Packed:
    """Write the pack to `out`, whole or not at all.

    `public_keys` are other keys by file name, `find_bundle(hash)` gives policy archives, `now_us`
    is written on the page. Raises SourceError, NoteError and ExportError when the log cannot be
    read or is not signed by `verifier`, OSError when the file cannot be written.
    """
    part = out.with_name(out.name + ".part")
    try:
        with tempfile.TemporaryDirectory(prefix="pack-", dir=out.parent) as name:
            folder = Path(name) / "log"
            size = export_tree(source, folder, verifier, progress).size
            last = size - 1 if asked.last is None else min(asked.last, size - 1)
            if asked.first > last:
                raise SourceError(f"entry {asked.first} is none of the {size} that are signed")
            with (
                zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive,
                closing(FolderSource(folder)) as tree,
            ):
                pack = _Pack(archive)
                _add_keys(pack, verifier, public_keys or {})
                _add_folder(pack, folder)
                _add_rows(pack, tree, asked.first, last)
                survey = _survey(tree, asked.first, last)
                proofs = _add_proofs(pack, tree, verifier, asked.first, last)
                policies = _add_policies(pack, survey.bundles, find_bundle)
                pack.add("verify.pyz", build_verifier())
                facts = PageFacts(
                    origin=verifier.name,
                    size=size,
                    first=asked.first,
                    last=last,
                    begins=survey.begins,
                    ends=survey.ends,
                    made=format_time(now_us),
                    vkeys=[verifier.vkey, *survey.vkeys],
                    counts=survey.counts,
                    proofs=proofs,
                    policies=policies,
                )
                pack.add("READ-ME-FIRST.html", render_page(facts))
                pack.finish()
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    rows = survey.counts.total()
    return Packed(out, size, rows, proofs, policies, out.stat().st_size)


class _Pack:
    """The file being written, with the hash of each of its parts."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._hashes: dict[str, str] = {}

    def add(self, name: str, content: str | bytes) -> None:
        data = content.encode() if isinstance(content, str) else content
        self._hashes[name] = hashlib.sha256(data).hexdigest()
        info = zipfile.ZipInfo(name, _DAY)
        info.external_attr = 0o644 << 16
        self._archive.writestr(info, data, zipfile.ZIP_DEFLATED)

    def finish(self) -> None:
        self.add("MANIFEST.json", json.dumps(self._hashes, indent=1, sort_keys=True) + "\n")


@dataclass
class _Survey:
    counts: Counter[str]
    begins: str
    ends: str
    bundles: set[str]
    vkeys: list[str]


def _survey(source: LogSource, first: int, last: int) -> _Survey:
    """What the entries name; of keys, those of the whole log."""
    found = _Survey(Counter(), "", "", set(), [])
    for located in locate(source):
        if located.seq > last:
            break
        entry = located.entry
        if entry is not None and entry.type == "key.handed-over":
            found.vkeys.append(str(entry.body.get("new", "")))
        if located.seq >= first:
            _note(found, located)
    return found


def _note(found: _Survey, located: Located) -> None:
    entry = located.entry
    if entry is None:
        found.counts["unreadable"] += 1
        return
    when = format_time(entry.time_us)
    found.begins, found.ends = found.begins or when, when
    found.counts[entry.type] += 1
    candidate = entry.body.get("candidate")
    named = [entry.body.get("bundle"), entry.body.get("floor_note")]
    named.append(candidate.get("bundle") if isinstance(candidate, dict) else None)
    found.bundles.update(hash for hash in named if isinstance(hash, str) and hash)


def _add_keys(pack: _Pack, verifier: Verifier, others: Mapping[str, bytes]) -> None:
    pack.add("keys/log.vkey", verifier.vkey + "\n")
    for name, content in sorted(others.items()):
        pack.add(f"keys/{name}", content)


def _add_folder(pack: _Pack, folder: Path) -> None:
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        pack.add(f"log/{path.relative_to(folder).as_posix()}", path.read_bytes())


def _add_rows(pack: _Pack, source: LogSource, first: int, last: int) -> None:
    table, events = io.StringIO(newline=""), io.StringIO()
    write_csv(read_rows(source, Selection(), first=first, last=last), table)
    write_ocsf(read_rows(source, Selection(), first=first, last=last), events)
    pack.add("rows.csv", table.getvalue())
    pack.add("events.ocsf.jsonl", events.getvalue())


def _add_proofs(pack: _Pack, tree: LogSource, verifier: Verifier, first: int, last: int) -> int:
    """Proofs of the first MAX_PROOFS that were asked for: the tree proves the rest."""
    made = 0
    for seq in range(first, min(last, first + MAX_PROOFS - 1) + 1):
        with suppress(SourceError):  # purged, as the log says
            pack.add(f"proofs/{seq}.tlog-proof", encode_proof(prove_entry(tree, seq, verifier)))
            made += 1
    return made


def _add_policies(pack: _Pack, hashes: Iterable[str], find_bundle: FindBundle) -> int:
    made = 0
    for hash in sorted(hashes):
        content = find_bundle(hash)
        if content is not None:
            ending = "tar.gz" if content[:2] == _GZIP else "note"
            pack.add(f"policies/{hash}.{ending}", content)
            made += 1
    return made
