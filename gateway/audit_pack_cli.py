"""`gateway audit pack`: one file for an outside auditor."""

import json
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from gateway.clock import SystemClock
from gateway.configuration import GatewayConfig, database_url, load_configuration
from gateway.errors import ConfigError
from gateway.sources import open_source

_SQLITE = "sqlite:///"


def pack(
    out: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write: evidence.zip.")],
    config: Annotated[Path, typer.Option(help="gateway.yaml")] = Path("gateway.yaml"),
    first: Annotated[
        int, typer.Option("--from", metavar="N", min=0, help="Rows and proofs from this entry.")
    ] = 0,
    last: Annotated[
        int | None, typer.Option("--to", metavar="M", min=0, help="To this entry, inclusive.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write the result as JSON.")] = False,
) -> None:
    """Write the log, proofs, rows, policies, public keys and the verifier into one file.

    The whole log is in it; `--from` and `--to` say for which entries there are rows and, for the
    first thousand, proof files. Names of processes are not in it.
    """
    # What other commands do not wait for.
    from gateway.opening import signer_of
    from gateway.pack.writing import MAX_PROOFS, Asked, write_pack
    from gateway.storage.bundles_store import SqlBundleStore
    from gateway.storage.engine import open_database

    settings = load_configuration(config)
    verifier = signer_of(settings).verifier
    url = database_url(settings, config)
    if url.startswith(_SQLITE) and not Path(url.removeprefix(_SQLITE)).is_file():
        raise ConfigError(f"{url.removeprefix(_SQLITE)}: there is no database; name one in log")
    database = open_database(url)
    try:
        with closing(open_source(url.removeprefix(_SQLITE), settings.log.origin)) as source:
            packed = write_pack(
                source,
                verifier,
                Asked(first, last),
                out,
                SystemClock().now_us(),
                _public_keys(settings),
                SqlBundleStore(database).get,
            )
    except OSError as error:
        raise ConfigError(f"cannot write {out}: {error.strerror}; name another place") from None
    finally:
        database.dispose()
    if as_json:
        told = {"file": str(out), "entries": packed.entries, "rows": packed.rows,
                "proofs": packed.proofs, "policies": packed.policies,
                "bytes": packed.bytes}  # fmt: skip
        typer.echo(json.dumps(told))
        return
    typer.echo(
        f"{out}: a log of {packed.entries:,} entries, rows of {packed.rows:,} of them, "
        f"{packed.proofs:,} proofs, {packed.policies} policy bundles, "
        f"{packed.bytes / 1_000_000:.1f} MB\nopen READ-ME-FIRST.html in it"
    )
    if packed.rows > MAX_PROOFS:
        typer.echo(f"proofs are of the first {MAX_PROOFS:,}: say --from and --to for others")


def _public_keys(settings: GatewayConfig) -> dict[str, bytes]:
    named = {path.name: path for path in settings.policies.bundle_keys}
    try:
        return {name: path.read_bytes() for name, path in named.items()}
    except OSError as error:
        place = f"at policies.bundle_keys: {error.filename}"
        raise ConfigError(f"{place}: cannot be read: {error.strerror}") from None
