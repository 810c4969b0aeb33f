"""Small files that survive a crash whole: written beside, flushed, then renamed."""

from pathlib import Path

from gateway.durable_files import sync_folder, write_durably


def write_atomically(path: Path, text: str) -> None:
    """Replace the file (mode 0600) so that a reader sees the old or the new text; raises OSError.

    The folder is flushed too: without it a rename may not survive a power cut.
    """
    beside = path.with_name(f".{path.name}.new")
    write_durably(beside, text.encode(), 0o600, over=True)
    beside.replace(path)
    sync_folder(path.parent)
