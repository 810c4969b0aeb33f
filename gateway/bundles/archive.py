"""A bundle's tar.gz: packed the same by everybody, read as if an enemy had made it.

Only this subset of POSIX.1-1988 ustar is read: one gzip member without optional fields, plain files
alone, octal numbers, zeroes for padding. All else (links, devices, folders, pax and GNU extensions)
is where two readers disagree on what an archive holds, so it is refused and never skipped.
"""

import io
import re
import struct
import tarfile
import zlib
from collections.abc import Mapping

from gateway.bundles.files import is_portable_segment
from gateway.bundles.limits import DEFAULT_LIMITS, BundleLimits
from gateway.errors import BundleError

_BLOCK = 512
# RFC 1952 section 2.3: magic, deflate, no flags, no time, no extra flags, unknown system.
_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_GZIP_TRAILER_BYTES = 8
_MAGIC_AND_VERSION = b"ustar\x0000"
_OCTAL = re.compile(rb"[0-7]{1,11}[ \x00]{1,11}\Z")
_REFUSED_KINDS = {
    b"1": "a link; put the file itself there",
    b"2": "a link; put the file itself there",
    b"3": "a device; a bundle holds files alone",
    b"4": "a device; a bundle holds files alone",
    b"5": "a folder; a bundle's archive lists files alone (build it with `gateway policy build`)",
    b"6": "a pipe; a bundle holds files alone",
}


def pack_archive(files: Mapping[str, bytes]) -> bytes:
    """A tar.gz of the files, each under OPA's leading `/`: the same bytes for the same files and
    the same zlib, whoever packs it, whenever and under whatever umask."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(files):
            member = tarfile.TarInfo("/" + path)
            member.size = len(files[path])
            member.mode = 0o444
            archive.addfile(member, io.BytesIO(files[path]))
    return _compress(plain.getvalue())


def read_archive(data: bytes, limits: BundleLimits = DEFAULT_LIMITS) -> dict[str, bytes]:
    """Path (without the leading `/`) to content, sorted by path.

    Raises BundleError that names the member, or the archive's fault. Memory stays below
    `limits.max_total_bytes` and some, whatever the bytes say."""
    tar = _decompress(data, limits)
    files: dict[str, bytes] = {}
    total = place = 0
    while True:
        header = tar[place : place + _BLOCK]
        if len(header) < _BLOCK:
            raise BundleError("the archive is truncated: its end mark is missing; send it again")
        if not any(header):
            break
        name, size = _read_header(header, limits)
        if name in files:
            raise BundleError(f"{name}: stands twice in the archive")
        if len(files) == limits.max_files:
            raise BundleError(f"{name}: more than {limits.max_files} files; split the bundle")
        total += size
        if total > limits.max_total_bytes:
            raise BundleError(f"{name}: more than {limits.max_total_bytes} bytes in all")
        files[name] = _read_content(tar, place + _BLOCK, size, name)
        place += _BLOCK + _padded(size)
    _verify_end(tar, place)
    _verify_tree(files)
    return dict(sorted(files.items()))


def _compress(plain: bytes) -> bytes:
    # Not gzip.compress: what it writes as the operating system differs between Python versions.
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = deflate.compress(plain) + deflate.flush()
    return _GZIP_HEADER + body + struct.pack("<II", zlib.crc32(plain), len(plain))


def _decompress(data: bytes, limits: BundleLimits) -> bytes:
    if len(data) > limits.max_archive_bytes:
        raise BundleError(f"the archive is longer than {limits.max_archive_bytes} bytes")
    if data[:3] != _GZIP_HEADER[:3]:
        raise BundleError("not a gzip archive; build one with `gateway policy build`")
    if data[3:4] != b"\x00":
        raise BundleError("the gzip header has optional fields; build it with the gateway or OPA")
    most = min(limits.max_tar_bytes, limits.max_ratio * len(data))
    inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)  # with gzip's header, checksum and length
    try:
        plain = inflate.decompress(data, most + 1)
    except zlib.error:
        raise BundleError(
            "the archive is damaged: its gzip data do not hold; send it again"
        ) from None
    if len(plain) > most:
        raise BundleError(
            f"the archive unpacks to more than {most} bytes, as a zip bomb does; split the bundle"
        )
    if not inflate.eof:
        raise BundleError("the archive is truncated; send it again")
    if inflate.unused_data:
        raise BundleError("bytes follow the archive's end; send the archive alone")
    return plain


def _read_header(header: bytes, limits: BundleLimits) -> tuple[str, int]:
    """Name and size of one member (POSIX.1-1988, the ustar header block)."""
    shown = repr(header[:100].rstrip(b"\x00").decode(errors="replace"))
    unsigned_sum = sum(header) - sum(header[148:156]) + 8 * 0x20
    if _number(header[148:156], shown) != unsigned_sum:
        raise BundleError(f"{shown}: the member's header is damaged; send the archive again")
    # The kind goes before the magic: GNU's extensions have another one, and a link is better said.
    kind = header[156:157]
    if kind not in (b"0", b"\x00"):
        reason = _REFUSED_KINDS.get(kind, "a tar extension (pax or GNU); pack it as plain ustar")
        raise BundleError(f"{shown}: {reason}")
    if header[257:265] != _MAGIC_AND_VERSION:
        raise BundleError(f"{shown}: not in ustar format; pack it as plain ustar")
    if any(header[157:257]) or any(header[500:512]):
        raise BundleError(f"{shown}: the member's header says more than a file's does")
    return _name(header, limits), _size(header, shown, limits)


def _name(header: bytes, limits: BundleLimits) -> str:
    name, prefix = _text(header[:100]), _text(header[345:500])
    path = f"{prefix}/{name}" if prefix else name
    shown = path[: limits.max_path_characters]
    path = path.removeprefix("/")  # OPA writes one; two would be an absolute path
    segments = path.split("/")
    if path.startswith("/") or ".." in segments:
        raise BundleError(f"{shown!r}: the path leaves the bundle")
    if len(path) > limits.max_path_characters or len(segments) > limits.max_depth:
        raise BundleError(f"{shown!r}: the path is too long or too deep")
    if not all(map(is_portable_segment, segments)):
        raise BundleError(f"{shown!r}: use letters, digits, dot, dash and underscore in names")
    return path


def _text(field: bytes) -> str:
    text, _, rest = field.partition(b"\x00")
    if any(rest):
        raise BundleError(f"{text.decode(errors='replace')!r}: bytes follow the name's end")
    return text.decode(errors="replace")


def _size(header: bytes, shown: str, limits: BundleLimits) -> int:
    size = _number(header[124:136], shown)
    if size > limits.max_file_bytes:
        raise BundleError(f"{shown}: longer than {limits.max_file_bytes} bytes")
    return size


def _number(field: bytes, shown: str) -> int:
    if not _OCTAL.match(field):
        raise BundleError(f"{shown}: a number in the member's header is not plain octal")
    return int(field.rstrip(b" \x00"), 8)


def _read_content(tar: bytes, start: int, size: int, name: str) -> bytes:
    end, padded_end = start + size, start + _padded(size)
    if padded_end > len(tar):
        raise BundleError(f"{name}: the archive is truncated inside this file; send it again")
    if any(tar[end:padded_end]):
        raise BundleError(f"{name}: bytes hide behind the file's end")
    return tar[start:end]


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _verify_end(tar: bytes, place: int) -> None:
    if len(tar) - place < 2 * _BLOCK or len(tar) % _BLOCK:
        raise BundleError("the archive is truncated: its end mark is missing; send it again")
    if any(tar[place:]):
        raise BundleError("bytes follow the archive's end mark; send the archive alone")


def _verify_tree(files: Mapping[str, bytes]) -> None:
    """A path cannot be both a file and a folder."""
    for path in files:
        folder = path.rpartition("/")[0]
        while folder:
            if folder in files:
                raise BundleError(f"{folder}: stands both as a file and as a folder")
            folder = folder.rpartition("/")[0]
