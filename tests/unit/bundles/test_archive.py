"""An archive is read whole and one way only, or refused with the member's name."""

import gzip
import io
import os
import tarfile
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.bundles.archive import pack_archive, read_archive
from gateway.bundles.limits import BundleLimits
from gateway.errors import BundleError

FILES = {
    ".manifest": b"{}",
    "data/a/data.yaml": b"a: 1\n" * 200,
    "main/main.rego": b"package main\n",
}
PLAIN = gzip.decompress(pack_archive(FILES))


def member(name: str, content: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def pack(*members: tuple[tarfile.TarInfo, bytes], format: int = tarfile.USTAR_FORMAT) -> bytes:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=format) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return gzip.compress(plain.getvalue())


def changed(offset: int, content: bytes) -> bytes:
    """The tar with other bytes there, its header's checksum made good again."""
    tar = bytearray(PLAIN)
    tar[offset : offset + len(content)] = content
    start = offset // 512 * 512
    tar[start + 148 : start + 156] = b" " * 8
    tar[start + 148 : start + 156] = b"%06o\0 " % sum(tar[start : start + 512])
    return gzip.compress(bytes(tar))


def test_what_was_packed_is_read() -> None:
    assert read_archive(pack_archive(FILES)) == FILES


def test_packing_depends_on_the_files_alone() -> None:
    before = os.umask(0o077)
    try:
        strict = pack_archive(dict(reversed(FILES.items())))
    finally:
        os.umask(before)
    assert strict == pack_archive(FILES)
    assert strict[4:10] == b"\0\0\0\0\0\xff"  # neither time nor system


def test_names_with_and_without_the_leading_slash_are_the_same() -> None:
    assert read_archive(pack(member("/main/a.rego", b"1"))) == {"main/a.rego": b"1"}
    assert read_archive(pack(member("main/a.rego", b"1"))) == {"main/a.rego": b"1"}


def test_a_long_path_is_put_together_from_the_prefix() -> None:
    path = "/".join(["folder-" + "x" * 40] * 3) + "/rule.rego"
    assert read_archive(pack(member(path, b"1"))) == {path: b"1"}


CUT = -len(PLAIN.rstrip(b"\0")) % 512
GNU, PAX = tarfile.GNU_FORMAT, tarfile.PAX_FORMAT
REFUSED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "not a gzip archive"),
    "tar alone": (PLAIN, "not a gzip archive"),
    "symbolic link": (
        pack(member("main/x", type=tarfile.SYMTYPE, linkname="/etc/passwd")),
        "'main/x': a link",
    ),
    "hard link": (pack(member("main/x", type=tarfile.LNKTYPE, linkname="a")), "'main/x': a link"),
    "character device": (pack(member("main/x", type=tarfile.CHRTYPE)), "'main/x': a device"),
    "block device": (pack(member("main/x", type=tarfile.BLKTYPE)), "'main/x': a device"),
    "pipe": (pack(member("main/x", type=tarfile.FIFOTYPE)), "'main/x': a pipe"),
    "folder": (pack(member("main", type=tarfile.DIRTYPE)), "'main/': a folder"),
    "GNU format": (pack(member("main/x", b"1"), format=GNU), "'main/x': not in ustar format"),
    "GNU long name": (pack(member("a/" * 120 + "x"), format=GNU), "a tar extension"),
    "pax header": (pack(member("a/" * 140 + "x"), format=PAX), "a tar extension"),
    "escape": (pack(member("main/../../x", b"1")), "main/../../x': the path leaves the bundle"),
    "only dots": (pack(member("..", b"1")), "the path leaves the bundle"),
    "absolute": (pack(member("//etc/x", b"1")), "'//etc/x': the path leaves the bundle"),
    "a dot": (pack(member("./x", b"1")), "'./x': use letters"),
    "an empty step": (pack(member("a//x", b"1")), "'a//x': use letters"),
    "a space": (pack(member("a b", b"1")), "'a b': use letters"),
    "a backslash": (pack(member("a\\b", b"1")), "use letters"),
    "beyond ASCII": (pack(member("ü", b"1")), "use letters"),
    "a line break": (pack(member("a\nb", b"1")), "use letters"),
    "twice": (pack(member("a", b"1"), member("a", b"2")), "a: stands twice"),
    "twice, one with a slash": (pack(member("a", b"1"), member("/a", b"2")), "a: stands twice"),
    "file and folder": (pack(member("a/b", b"1"), member("a", b"2")), "a: stands both"),
    "too deep": (pack(member("a/" * 12 + "x", b"1")), "too deep"),
    "after the end": (pack_archive(FILES) + b"x", "bytes follow the archive's end"),
    "a second gzip member": (pack_archive(FILES) * 2, "bytes follow the archive's end"),
    "after the end mark": (gzip.compress(PLAIN + PLAIN), "bytes follow the archive's end mark"),
    "no end mark": (gzip.compress(PLAIN[:-9216].rstrip(b"\0")[:1024]), "truncated"),
    "half an end mark": (gzip.compress(PLAIN.rstrip(b"\0") + b"\0" * (512 + CUT)), "end mark is"),
    "an odd length": (gzip.compress(PLAIN + b"\0" * 100), "its end mark is missing"),
    "cut inside a file": (
        gzip.compress(PLAIN[:1800]),
        "data/a/data.yaml: the archive is truncated",
    ),
    "gzip name": (b"\x1f\x8b\x08\x08" + pack_archive(FILES)[4:], "optional fields"),
    "damaged": (pack_archive(FILES)[:-8] + b"\0" * 8, "damaged"),
    "negative size": (changed(124, b"-0000000001\0"), "not plain octal"),
    "binary size": (changed(124, b"\x80" + b"\0" * 10 + b"\x01"), "not plain octal"),
    "size and more": (changed(124, b"12 12345678\0"), "not plain octal"),
    "link name on a file": (changed(157, b"/etc/passwd"), "says more than a file's does"),
    "bytes behind the name": (changed(20, b"hidden"), "bytes follow the name's end"),
    "bytes behind the file": (changed(512 + 100, b"hidden"), ".manifest: bytes hide behind"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_with_the_reason(name: str) -> None:
    data, message = REFUSED[name]
    with pytest.raises(BundleError) as refused:
        read_archive(data)
    assert message in str(refused.value)


@pytest.mark.parametrize("length", [1, 3, 9, 12, 100, len(pack_archive(FILES)) - 1])
def test_every_cut_is_refused(length: int) -> None:
    with pytest.raises(BundleError):
        read_archive(pack_archive(FILES)[:length])


def test_a_header_whose_checksum_is_wrong_is_refused() -> None:
    tar = bytearray(PLAIN)
    tar[0] ^= 1
    with pytest.raises(BundleError, match="the member's header is damaged"):
        read_archive(gzip.compress(bytes(tar)))


def _bomb_of_zeroes() -> bytes:
    return gzip.compress(b"\0" * 200_000_000)


def _bomb_with_a_file() -> bytes:
    return pack(member("a", b"\0" * 3_000_000))


@pytest.mark.parametrize("bomb", [_bomb_of_zeroes, _bomb_with_a_file])
def test_a_bomb_is_refused_before_it_unpacks(bomb: Callable[[], bytes]) -> None:
    data = bomb()
    tracemalloc.start()
    try:
        with pytest.raises(BundleError, match="as a zip bomb does"):
            read_archive(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 64 * 1024 * 1024


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (BundleLimits(max_files=2), "main/main.rego: more than 2 files"),
        (BundleLimits(max_file_bytes=500), "'/data/a/data.yaml': longer than 500 bytes"),
        (BundleLimits(max_total_bytes=900), "data/a/data.yaml: more than 900 bytes"),
        (BundleLimits(max_archive_bytes=100), "longer than 100 bytes"),
        (BundleLimits(max_path_characters=9), "too long"),
    ],
)
def test_sizes_are_limited(limits: BundleLimits, message: str) -> None:
    with pytest.raises(BundleError, match=message):
        read_archive(pack_archive(FILES), limits)


@given(st.binary(max_size=2_000))
def test_any_bytes_are_refused_by_our_error_alone(plain: bytes) -> None:
    for data in (plain, gzip.compress(plain), b"\x1f\x8b\x08\x00" + plain, zlib.compress(plain)):
        with pytest.raises(BundleError):
            read_archive(data)


@given(st.integers(0, len(PLAIN) - 1), st.integers(1, 255))
def test_a_changed_byte_of_the_tar_changes_nothing_unseen(place: int, flip: int) -> None:
    """It is refused, or it shows in a name or content; nothing else of a member is read."""
    tar = bytearray(PLAIN)
    tar[place] ^= flip
    try:
        found = read_archive(gzip.compress(bytes(tar)))
    except BundleError:
        return
    assert found.keys() == FILES.keys()
    assert sum(found[path] != FILES[path] for path in FILES) == 1
