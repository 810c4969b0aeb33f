"""`gateway audit`: what an auditor does, alone. Its commands stand in modules of their own."""

import typer

audit_app = typer.Typer(
    help="Verify and read the audit log, offline.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
