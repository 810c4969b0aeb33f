"""The age key service's file."""

from pathlib import Path

import pytest
from pyrage import x25519

from gateway.errors import ConfigError, KeyServiceError
from gateway.sealed.age import AgeKeyService

KEY = bytes(32)


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_an_identity_file_with_comments_opens(tmp_path: Path) -> None:
    identity = x25519.Identity.generate()
    path = write(tmp_path / "age.txt", f"# created: today\n\n{identity}\n")
    service = AgeKeyService.open(path)
    assert service.unwrap(service.wrap(KEY, b"c"), b"c") == KEY


def test_after_rotation_old_keys_open_and_new_ones_need_the_new_identity(tmp_path: Path) -> None:
    old, new = x25519.Identity.generate(), x25519.Identity.generate()
    blob = AgeKeyService([old]).wrap(KEY, b"c")
    rotated = AgeKeyService.open(write(tmp_path / "age.txt", f"{new}\n{old}\n"))
    assert rotated.unwrap(blob, b"c") == KEY
    with pytest.raises(KeyServiceError, match="identity that wrapped it"):
        AgeKeyService([old]).unwrap(rotated.wrap(KEY, b"c"), b"c")


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "age.txt", str(x25519.Identity.generate()), mode=0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        AgeKeyService.open(path)


def test_a_bad_line_is_named_by_its_number_and_never_quoted(tmp_path: Path) -> None:
    secret = str(x25519.Identity.generate())
    path = write(tmp_path / "age.txt", f"# comment\n{secret[:-1]}\n")
    with pytest.raises(ConfigError, match="line 2") as caught:
        AgeKeyService.open(path)
    assert secret[20:40] not in str(caught.value)


def test_an_absent_or_empty_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"age\.txt: No such file"):
        AgeKeyService.open(tmp_path / "age.txt")
    with pytest.raises(ConfigError, match="gateway keys init"):
        AgeKeyService.open(write(tmp_path / "empty.txt", "# nothing\n"))
