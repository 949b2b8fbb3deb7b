"""The command line: `pocketvision COMMAND`. Exit status 0 done, 2 the input is wrong, 1 anything else."""

from __future__ import annotations

import sys

import typer

from pocketvision.commands import COMMANDS
from pocketvision.errors import InputError

# Libraries of the extra `train`: whoever lacks them has the small installation for devices.
TRAIN_EXTRA = ("torch", "torchvision", "accelerate", "sklearn", "scipy", "matplotlib", "jinja2", "onnx")
INTERRUPTED = 130  # what typer answers when it has caught Ctrl-C itself


def make_app() -> typer.Typer:
    """One command for each line of COMMANDS; signatures become options, docstrings become help."""
    app = typer.Typer(
        name="pocketvision",
        help="Small vision networks that fit your device.",
        no_args_is_help=True,
        rich_markup_mode=None,  # plain help needs none of the 0.1 s that importing rich takes
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for name, function in COMMANDS.items():
        app.command(name)(function)
    return app


def main() -> None:
    """Run the command line; one sentence on standard error for what goes wrong, a traceback only with --debug."""
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    command = typer.main.get_command(make_app())
    try:
        status = command.main(arguments, prog_name="pocketvision", standalone_mode=False)
        if status == INTERRUPTED:
            raise KeyboardInterrupt
    except InputError as error:
        status = _fail(str(error), 2)
        if debug:
            raise
    except typer.Exit as leave:
        status = leave.exit_code
    except typer.Abort:
        status = _fail("stopped", 1)
    except KeyboardInterrupt:
        kept = "; what was finished is kept, and the same command goes on from there"
        resumes = arguments[:1] in (["fit"], ["train"]) or "--zoo" in arguments
        status = _fail("stopped" + (kept if resumes else ""), 1)
    except BrokenPipeError:
        sys.stderr.close()
        status = 1
    except Exception as error:
        if debug:
            raise
        if isinstance(error, ModuleNotFoundError) and error.name in TRAIN_EXTRA:
            what = " ".join(["pocketvision", *arguments[:1]])
            status = _fail(f"{what} needs {error.name}, not installed here: pip install 'pocketvision[train]'", 2)
        elif isinstance(error, typer.TyperException):
            status = _fail(_usage(error), 2)
        else:
            status = _fail(f"{type(error).__name__}: {error} (this should not happen; --debug shows where)", 1)
    sys.exit(status if isinstance(status, int) else 0)


def _usage(error: Exception) -> str:
    message = getattr(error, "format_message", lambda: str(error))()
    return f"{message.rstrip('.')}: `pocketvision --help` shows what there is"


def _fail(message: str, status: int) -> int:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return status
