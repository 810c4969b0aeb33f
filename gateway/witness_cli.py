"""`gateway witness`: a small witness of logs, for somebody who does not run the gateway."""

import asyncio
import socket
import ssl
from pathlib import Path
from typing import Annotated

import typer

from gateway.api.witness import BODY_TIMEOUT_SECONDS, create_witness_application
from gateway.clock import SystemClock
from gateway.errors import ConfigError
from gateway.identity.tls import ALPN
from gateway.listener import Listener, listener_config
from gateway.witness.memory import WitnessMemory
from gateway.witness.settings import (
    CONFIGURATION,
    WitnessConfig,
    WitnessListen,
    WitnessTls,
    create_witness,
    load_witness,
    read_cosigner,
    read_logs,
)
from gateway.witness.witness import Witness

GRACE_SECONDS = 5

witness_app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Cosign the checkpoints of logs that only ever grow (C2SP tlog-witness).",
)


@witness_app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="The folder to make.", show_default=False)],
    name: Annotated[str, typer.Option(help="Such as witness.example.org/w1: a URL's end.")],
    log: Annotated[list[str], typer.Option(help="A log's verifier key, or a file that holds it.")],
) -> None:
    """Make FOLDER with a witness's key and configuration."""
    verifier = create_witness(folder, name, log)
    typer.echo(f"Made {folder / CONFIGURATION}. The line for witness policies:", err=True)
    typer.echo(f"witness {name} {verifier.vkey} http://127.0.0.1:8470")


@witness_app.command()
def serve(
    config: Annotated[Path, typer.Option(help="witness.yaml")] = Path(CONFIGURATION),
) -> None:
    """Serve POST /add-checkpoint until told to stop."""
    settings = load_witness(config)
    cosigner = read_cosigner(settings)
    logs = read_logs(settings.logs, config.parent)
    with WitnessMemory(settings.state, logs) as memory:
        witness = Witness(cosigner, logs, memory, SystemClock())
        asyncio.run(_serve(settings, witness))


async def _serve(settings: WitnessConfig, witness: Witness) -> None:
    context = None if settings.tls is None else _server_tls(settings.tls)
    application = create_witness_application(witness, BODY_TIMEOUT_SECONDS)
    with _reserve(settings.listen) as reserved:
        host, port = reserved.getsockname()[:2]
        place = f"{'http' if context is None else 'https'}://{host}:{port}"
        config = listener_config(application, context, GRACE_SECONDS)
        server = Listener(config, lambda: typer.echo(f"listening on {place}"))
        await server.serve(sockets=[reserved])


def _reserve(listen: WitnessListen) -> socket.socket:
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    try:
        return socket.create_server((listen.host, listen.port), family=family)
    except OSError as error:
        raise ConfigError(
            f"at listen: {listen.host}:{listen.port} cannot be listened on ({error.strerror}); "
            "free it or name another port"
        ) from None


def _server_tls(tls: WitnessTls) -> ssl.SSLContext:
    """TLS 1.3 with a certificate of the server's alone: checkpoints are signed, callers are not
    asked who they are. Raises ConfigError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols([ALPN])
    try:
        # The empty password keeps OpenSSL from asking a terminal for one.
        context.load_cert_chain(tls.certificate, tls.key, password="")
    except (OSError, ssl.SSLError, ValueError):
        raise ConfigError(
            f"at tls: {tls.certificate} and {tls.key} are not a PEM certificate chain and its "
            "unencrypted key"
        ) from None
    return context
