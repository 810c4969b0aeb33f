"""Building gives the same bytes for the same content and key, and only what would be opened."""

import os
import shutil
from pathlib import Path

import pytest

from gateway.bundles.archive import read_archive
from gateway.bundles.build import build_bundle
from gateway.bundles.folder import read_bundle
from gateway.bundles.signed import open_bundle
from gateway.errors import BundleError, ConfigError
from tests.fakes.bundles import AUTHOR_KEY, KEYS, OTHER_KEY, bundle_files, signed_archive

POLICIES = Path(__file__).parents[3] / "policies"


def write(folder: Path, files: dict[str, bytes], mode: int = 0o644) -> Path:
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        target.chmod(mode)
    return folder


def test_two_builds_are_the_same_bytes(tmp_path: Path) -> None:
    """Other times, modes, umask, order of creation and spelling of the manifest change nothing."""
    files = bundle_files()
    one = build_bundle(write(tmp_path / "one", files), AUTHOR_KEY, "author")
    spelled = files[".manifest"].replace(b": ", b" :\n\t").replace(b'""', b'"stale"')
    other = dict(reversed(list(files.items()))) | {".manifest": spelled}
    folder = write(tmp_path / "other", other, 0o600)
    for path in folder.rglob("*"):
        os.utime(path, (1, 1))
    before = os.umask(0o077)
    try:
        assert build_bundle(folder, AUTHOR_KEY, "author") == one
    finally:
        os.umask(before)


def test_another_key_or_name_changes_the_signature_alone(tmp_path: Path) -> None:
    folder = write(tmp_path, bundle_files())
    built = [
        read_archive(build_bundle(folder, key, keyid))
        for key, keyid in ((AUTHOR_KEY, "author"), (OTHER_KEY, "author"), (AUTHOR_KEY, "other"))
    ]
    signatures = {files.pop(".signatures.json") for files in built}
    assert len(signatures) == 3
    assert built[0] == built[1] == built[2]


def test_what_is_built_opens_as_the_folder_reads(tmp_path: Path) -> None:
    folder = write(tmp_path, bundle_files(version=7))
    opened = open_bundle(build_bundle(folder, AUTHOR_KEY, "author"), KEYS)
    assert opened.bundle == read_bundle(folder)
    assert opened.bundle.version == 7


def test_the_products_own_policies_are_built(tmp_path: Path) -> None:
    folder = shutil.copytree(POLICIES, tmp_path / "policies")
    opened = open_bundle(build_bundle(folder, AUTHOR_KEY, "author"), KEYS)
    assert opened.bundle.hash == read_bundle(folder).hash


def test_what_would_be_refused_is_not_built(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="outside the manifest's roots"):
        build_bundle(
            write(tmp_path / "a", bundle_files() | {"x.rego": b"package x\n"}), AUTHOR_KEY, "author"
        )
    with pytest.raises(BundleError, match="a folder is not signed"):
        build_bundle(write(tmp_path / "b", read_archive(signed_archive())), AUTHOR_KEY, "author")


@pytest.mark.parametrize("keyid", ["", "a b", "a" * 65, "a/b", "ü", "a\n"])
def test_an_odd_name_of_a_key_is_refused(tmp_path: Path, keyid: str) -> None:
    with pytest.raises(ConfigError, match="cannot name a key"):
        build_bundle(write(tmp_path, bundle_files()), AUTHOR_KEY, keyid)
