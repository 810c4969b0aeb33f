"""`gateway keys`: the development trust domain."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from gateway.bundles.keys import read_public_key
from gateway.clock import SystemClock
from gateway.errors import ConfigError, GatewayError
from gateway.identity import authority
from gateway.identity.authority import Listed
from gateway.identity.key_files import add_files
from gateway.identity.signing_keys import create_bundle_key_files, create_note_key_files

COULD_NOT = 2

keys_app = typer.Typer(
    name="keys",
    help="Make and manage the keys and certificates of a development trust domain.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Folder = Annotated[Path, typer.Argument(help="The trust domain's folder.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Days = Annotated[int, typer.Option(help="How long the certificates last, in days.")]


@keys_app.command()
def init(
    folder: Folder,
    trust_domain: Annotated[str, typer.Option(help="Such as example.org; lower case.")],
    region: Annotated[str, typer.Option(help="The first collector's region.")] = "eu-west-1",
    environment: Annotated[
        str, typer.Option(help="The first collector's environment.")
    ] = "production",
    host: Annotated[
        list[str] | None,
        typer.Option(help="A DNS name or address of the gateway; repeat it for more."),
    ] = None,
    origin: Annotated[
        str | None, typer.Option(help="The log's name; without it TRUST_DOMAIN/log.")
    ] = None,
    days: Days = authority.SUBJECT_DAYS,
    as_json: Json = False,
) -> None:
    """Make CAs, certificates, signing keys and an age identity in a new FOLDER."""
    with _one_sentence_errors():
        listed = authority.create_domain(
            folder,
            trust_domain,
            host or authority.DEFAULT_HOSTS,
            SystemClock(),
            region=region,
            environment=environment,
            origin=origin,
            days=days,
        )
        _print_files(folder, listed, as_json)


@keys_app.command()
def issue(
    folder: Folder,
    subject: Annotated[
        str, typer.Option(help="spiffe://DOMAIN/ROLE/NAME or …/collector/ENVIRONMENT/REGION/ID.")
    ],
    days: Days = authority.SUBJECT_DAYS,
    host: Annotated[
        list[str] | None,
        typer.Option(help="For a gateway: a DNS name or address of it; repeat it for more."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Add a subject's key and certificate to FOLDER, and sign its CRL anew."""
    with _one_sentence_errors():
        hosts = host or authority.DEFAULT_HOSTS
        listed = authority.issue(folder, subject, days, SystemClock(), hosts)
        _print_files(folder, listed, as_json)


@keys_app.command("bundle-key")
def bundle_key(
    out: Annotated[
        Path, typer.Option(help="The private key to write; the public one gets the ending .pub.")
    ],
    as_json: Json = False,
) -> None:
    """Make an author's key that signs policy bundles (ES256), and its public key."""
    with _one_sentence_errors():
        files = create_bundle_key_files(Path(out.name))
        add_files(out.parent, files)
        listed = [Listed(out.parent / file.path, file.what) for file in files]
        keyid = read_public_key(listed[-1].path).keyid
        if as_json:
            _print_json({"keyid": keyid, "private": str(out), "public": str(listed[-1].path)})
        else:
            _print_files(out.parent, listed, as_json=False)
            Console().print(f"Signatures name it {keyid}.", markup=False, highlight=False)


@keys_app.command("succession-key")
def succession_key(
    person: Annotated[str, typer.Option("--as", help="The person's SPIFFE id.")],
    out: Annotated[
        Path, typer.Option(help="The private key to write, NAME.key; beside it NAME.vkey.")
    ],
    as_json: Json = False,
) -> None:
    """Make a person's key that signs statements of succession (Ed25519), and its public key."""
    with _one_sentence_errors():
        stem = out.name.removesuffix(".key")
        if out.name != f"{stem}.key" or not person.startswith("spiffe://"):
            raise ConfigError("say --out NAME.key and --as spiffe://…")
        name = person.removeprefix("spiffe://")
        files = create_note_key_files(stem, "statements of succession", name)
        add_files(out.parent, files)
        listed = [Listed(out.parent / file.path, file.what) for file in files]
        if as_json:
            vkey = files[-1].content.decode().strip()
            _print_json({"vkey": vkey, "private": str(out), "public": str(listed[-1].path)})
        else:
            _print_files(out.parent, listed, as_json=False)


@keys_app.command("checkpoint-key")
def checkpoint_key(
    out: Annotated[
        Path, typer.Option(help="The private key to write; the public one gets the ending .vkey.")
    ],
    origin: Annotated[str, typer.Option(help="The log's name, as in log.origin.")],
    as_json: Json = False,
) -> None:
    """Make a key that a log may be handed over to (log.next_checkpoint_key)."""
    with _one_sentence_errors():
        files = create_note_key_files(out.stem, "log checkpoints", origin)
        add_files(out.parent, files)
        _print_files(
            out.parent, [Listed(out.parent / one.path, one.what) for one in files], as_json
        )


@keys_app.command()
def revoke(
    folder: Folder,
    certificate: Annotated[Path, typer.Argument(help="The certificate's file (PEM).")],
    as_json: Json = False,
) -> None:
    """Put CERTIFICATE on FOLDER's CRL; a gateway that reads it refuses it within seconds."""
    with _one_sentence_errors():
        done = authority.revoke(folder, certificate, SystemClock())
        if as_json:
            _print_json(
                {
                    "serial": f"{done.serial:x}",
                    "subject": done.uri,
                    "crl": str(done.crl),
                    "crl_number": done.crl_number,
                }
            )
        else:
            Console().print(
                f"Revoked {done.uri} (serial {done.serial:x}) in {done.crl}, "
                f"CRL number {done.crl_number}.",
                soft_wrap=True,
                markup=False,
                highlight=False,
            )


def _print_files(folder: Path, listed: Sequence[Listed], as_json: bool) -> None:
    if as_json:
        files = [{"file": str(file.path), "what": file.what} for file in listed]
        _print_json({"folder": str(folder), "files": files})
        return
    table = Table(title=f"Written to {folder}", title_justify="left")
    for heading in ("file", "what it is"):
        table.add_column(heading, overflow="fold")  # whole, so that it can be copied
    for file in listed:
        table.add_row(str(file.path.relative_to(folder)), file.what)
    Console().print(table, markup=False)


def _print_json(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


@contextmanager
def _one_sentence_errors() -> Iterator[None]:
    try:
        yield
    except GatewayError as error:
        _fail(str(error))


def _fail(message: str) -> NoReturn:
    sys.stderr.write(f"gateway keys: {message}\n")
    raise typer.Exit(COULD_NOT)
