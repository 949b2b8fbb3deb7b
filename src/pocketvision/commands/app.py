"""The application: one command for each line of COMMANDS; signatures become options, docstrings become help."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from pocketvision.commands import COMMANDS
from pocketvision.commands.examples import EXAMPLES

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


def without_types(parameters: list[Any]) -> list[Any]:
    """`parameters` as their help shows them: an argument's name and a flag say enough without a Python type beside."""
    for parameter in parameters:
        if parameter.param_type_name == "argument" or parameter.is_flag:
            parameter.display_type_rich = lambda ctx: None
    return parameters


class Command(TyperCommand):
    def get_params(self, ctx: Any) -> list[Any]:
        return without_types(super().get_params(ctx))


class Group(TyperGroup):
    def get_params(self, ctx: Any) -> list[Any]:
        return without_types(super().get_params(ctx))


def make_app() -> typer.Typer:
    """`pocketvision`, with help in groups, examples, and completion for the usual shells."""
    app = typer.Typer(
        name="pocketvision",
        cls=Group,
        help="Small vision networks that fit your device.",
        epilog=_shown(EXAMPLES[""]),
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(root)
    for name, panel in PANELS.items():
        command = COMMANDS[name]
        app.command(name, cls=Command, help=_paragraphs(command), rich_help_panel=panel, epilog=_shown(EXAMPLES[name]))(
            command
        )
    return app


def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
    debug: Annotated[
        bool,
        typer.Option("--debug", help="Anywhere on the line: show where in the program an error arose."),
    ] = False,
) -> None:
    """Small vision networks that fit your device."""
    if version:
        from pocketvision import __version__

        print(f"pocketvision {__version__}")
        raise typer.Exit()
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def _paragraphs(command: Callable[..., None]) -> str:
    """The docstring with one line for each paragraph: the terminal breaks them."""
    return re.sub(r"(?<!\n)\n(?!\n)", " ", inspect.getdoc(command) or "")


def _shown(examples: tuple[str, ...]) -> str:
    return "\n".join(["Examples:", *(f"$ {example}" for example in examples)])
