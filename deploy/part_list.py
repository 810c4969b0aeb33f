"""The real programs, at pinned versions: each a Go module with its checksum."""

import re
from dataclasses import dataclass, replace

OLDEST_GO = (1, 26)  # what the parts' go.mod files ask for


@dataclass(frozen=True)
class Part:
    """One program built from a Go module. `checksum` is the module's `h1:` sum as in go.sum;
    `package` lies inside the module; `version_args` make the program print `version_pattern`;
    `version_variable` is what the linker sets where a build in the module's own folder has none.
    `is_other` is a version beside the pinned one, which only tests that compare versions run.
    `oldest_go` is what its go.mod asks for."""

    name: str
    version: str
    module: str
    checksum: str
    package: str
    version_args: tuple[str, ...]
    version_pattern: str
    version_variable: str = ""
    is_other: bool = False
    oldest_go: tuple[int, int] = OLDEST_GO

    @property
    def key(self) -> str:
        """What the command line calls it."""
        return f"{self.name}@{self.version}" if self.is_other else self.name

    @property
    def link_name(self) -> str:
        """Its name in `.parts/bin`."""
        return self.key.replace("@", "-")


OPA = Part(
    name="opa",
    version="1.22.2",
    module="github.com/open-policy-agent/opa",
    checksum="h1:WzqReKk2VjcvBN/NQTlcIxKqFPKpzIdb6KYMHzPEbe0=",
    package=".",
    version_args=("version",),
    version_pattern=r"^Version: 1\.22\.2$",
)


def other_opa(version: str, checksum: str) -> Part:
    """An OPA beside the pinned one."""
    pattern = rf"^Version: {re.escape(version)}$"
    return replace(OPA, version=version, checksum=checksum, version_pattern=pattern, is_other=True)


PARTS = (
    OPA,
    other_opa("1.21.0", "h1:k/N0fieTkBPM0H7mIOrMd/xZPaMsxW70jIzIPeOBst4="),
    other_opa("1.22.3", "h1:d46phjoHHFSl8F2bC8nT8wFxuGEvZRvs8FhYWFqsJ2w="),
    # Built inside its own module, since `go install` of another's refuses what its go.mod replaces.
    Part(
        name="regal",
        version="0.42.0",
        module="github.com/open-policy-agent/regal",
        checksum="h1:G05bY17Cw8+eiv9ntODgEVSKqueNyEabUzwngoZLWvw=",
        package=".",
        version_args=("version",),
        version_pattern=r"^Version: +0\.42\.0$",
        version_variable="github.com/open-policy-agent/regal/pkg/version.Version=0.42.0",
    ),
    Part(
        name="age",
        version="1.3.2",
        module="filippo.io/age",
        checksum="h1:r6RSZLFSMm6rzKepZ7ZAYkKCu14f3/Me8c7uKYh7C8c=",
        package="./cmd/age",
        version_args=("--version",),
        version_pattern=r"^v1\.3\.2$",
        version_variable="main.Version=v1.3.2",
    ),
    Part(
        name="age-keygen",
        version="1.3.2",
        module="filippo.io/age",
        checksum="h1:r6RSZLFSMm6rzKepZ7ZAYkKCu14f3/Me8c7uKYh7C8c=",
        package="./cmd/age-keygen",
        version_args=("--version",),
        version_pattern=r"^v1\.3\.2$",
        version_variable="main.Version=v1.3.2",
    ),
    Part(
        name="sops",
        version="3.13.3",
        module="github.com/getsops/sops/v3",
        checksum="h1:saYczbT88kD1saNChe1cAbFQe5mrRhTIfEw3TaEcmK0=",
        package="./cmd/sops",
        # Without the second word it asks a server on the network for the newest version.
        version_args=("--version", "--disable-version-check"),
        version_pattern=r"^sops 3\.13\.3$",
    ),
    # An S3 server with Object Lock, for the tests of archives.
    Part(
        name="versitygw",
        version="1.8.0",
        module="github.com/versity/versitygw",
        checksum="h1:au+wI+aybno/STsQiSm35Uu6Q6iK5MWReQxgO6SEMFc=",
        package="./cmd/versitygw",
        version_args=("--version",),
        version_pattern=r"^Version *: *v1\.8\.0$",
        version_variable="main.Version=v1.8.0",
    ),
    # They do not say their version; their usage shows that they run.
    Part(
        name="litewitness",
        version="0.10.0",
        module="filippo.io/torchwood",
        checksum="h1:zgBIImawK53X7lM0qHKcjn0pbDtFLqU04NU9qDvBnjs=",
        package="./cmd/litewitness",
        version_args=("-help",),
        version_pattern=r"name of this witness",
        oldest_go=(1, 27),
    ),
    Part(
        name="fsck",
        version="1.0.4",
        module="github.com/transparency-dev/tessera",
        checksum="h1:IXjGowubcLR0T3zUQrysSMKgtTh9KGKQ0iajUiubyP4=",
        package="./cmd/fsck",
        version_args=("-help",),
        version_pattern=r"Base tlog-tiles URL",
    ),
)
