"""The application: one command for each line of COMMANDS; signatures become options, docstrings become help."""

from __future__ import annotations

from typing import Annotated

import typer

from pocketvision.commands import COMMANDS
from pocketvision.commands.examples import EXAMPLES
from pocketvision.commands.options import FLAG

MAKING, USING, MEASURING = "Make a network", "Use a network", "Measure"
PANELS = {
    "fit": MAKING,
    "train": MAKING,
    "doctor": MAKING,
    "models": MAKING,
    "predict": USING,
    "eval": USING,
    "export": USING,
    "bench": MEASURING,
    "profile": MEASURING,
    "guidelines": MEASURING,
    "machine": MEASURING,
}


def make_app() -> typer.Typer:
    """`pocketvision`, with help in groups, examples, and completion for the usual shells."""
    app = typer.Typer(
        name="pocketvision",
        help="Small vision networks that fit your device.",
        epilog=_shown(EXAMPLES[""]),
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(root)
    for name, panel in PANELS.items():
        app.command(name, rich_help_panel=panel, epilog=_shown(EXAMPLES[name]))(COMMANDS[name])
    return app


def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", metavar=FLAG, help="Print the version and exit.")] = False,
    debug: Annotated[
        bool,
        typer.Option("--debug", metavar=FLAG, help="Anywhere on the line: show where in the program an error arose."),
    ] = False,
) -> None:
    """Small vision networks that fit your device."""
    if version:
        from pocketvision import __version__

        print(f"pocketvision {__version__}")
        raise typer.Exit()
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def _shown(examples: tuple[str, ...]) -> str:
    return "\n".join(["Examples:", *(f"$ {example}" for example in examples)])
