"""Every limit on a bundle, in one place."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BundleLimits:
    """Sizes in bytes. Compiling is not bounded by a deadline in OPA, so the source is bounded here:
    a chain of some thousand functions takes seconds to compile."""

    max_files: int = 2_000
    max_file_bytes: int = 2 * 1024 * 1024
    max_total_bytes: int = 8 * 1024 * 1024
    max_depth: int = 12
    max_path_characters: int = 200
    max_archive_bytes: int = 8 * 1024 * 1024
    max_ratio: int = 200  # unpacked to packed; a bomb of zeroes reaches 1,000

    @property
    def max_tar_bytes(self) -> int:
        """What an archive within the limits unpacks to at most: a header and padding a file."""
        return self.max_total_bytes + self.max_files * 1024 + 10_240


DEFAULT_LIMITS = BundleLimits()
