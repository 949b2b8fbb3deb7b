"""The command line: `pocketvision COMMAND`.

Exit status 0 done, 2 the input is wrong, 130 stopped by Ctrl-C, 1 anything else: no tick, not all of it, an error.
Nothing is imported before `main` is at work, so that Ctrl-C is told in one sentence from the first moment on.
"""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pocketvision.commands.interrupts import Interrupts

# Libraries of the extra `train`: whoever lacks them has the small installation for devices.
TRAIN_EXTRA = ("torch", "torchvision", "accelerate", "sklearn", "scipy", "matplotlib", "jinja2", "onnx")
INTERRUPTED = 130  # what shells answer for a program that Ctrl-C has ended


def main() -> None:
    """Run the command line; one sentence on standard error for what goes wrong, a traceback only with --debug."""
    forgive(sys.stdout)
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        from pocketvision.commands.interrupts import Interrupts

        with Interrupts(lambda: _stopped(arguments)) as interrupts:
            status = _run(arguments, debug, interrupts)
    except KeyboardInterrupt:
        status = _stopped(arguments)
    sys.exit(status)


def forgive(file: object) -> None:
    """Signs that `file` cannot encode end nothing: a name that is no UTF-8 keeps its bytes, other signs are escaped."""
    if isinstance(file, io.TextIOWrapper) and file.errors == "strict":
        file.reconfigure(errors="surrogateescape" if file.encoding.lower() == "utf-8" else "backslashreplace")


def _run(arguments: list[str], debug: bool, interrupts: Interrupts) -> int:
    """The exit status of one command. KeyboardInterrupt for Ctrl-C, whatever was made of it on the way."""
    import typer

    from pocketvision.commands.app import make_app
    from pocketvision.errors import InputError

    try:
        command = typer.main.get_command(make_app())
        status = command.main(arguments, prog_name="pocketvision", standalone_mode=False)
        return _plain(status, interrupts)
    except InputError as error:
        if debug:
            raise
        return _fail(str(error), 2)
    except typer.Exit as leave:
        return leave.exit_code
    except SystemExit as leave:
        return _plain(leave.code, interrupts)
    except typer.Abort:
        raise KeyboardInterrupt from None
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except Exception as error:
        if debug:
            raise
        if interrupts.seen:  # native code, while it is being imported, turns Ctrl-C into errors of its own
            raise KeyboardInterrupt from None
        if isinstance(error, ModuleNotFoundError) and error.name in TRAIN_EXTRA:
            what = " ".join(["pocketvision", *arguments[:1]])
            return _fail(f"{what} needs {error.name}, not installed here: pip install 'pocketvision[train]'", 2)
        if isinstance(error, typer.TyperException):
            return _fail(_usage(error, arguments), 2)
        return _fail(f"{type(error).__name__}: {error} (this should not happen; --debug shows where)", 1)


def _plain(status: object, interrupts: Interrupts) -> int:
    if status == INTERRUPTED and interrupts.seen:  # typer takes Ctrl-C for an answer
        raise KeyboardInterrupt
    return status if isinstance(status, int) else 0


def _stopped(arguments: list[str]) -> int:
    kept = "; what was finished is kept, and the same command goes on from there"
    resumes = arguments[:1] in (["fit"], ["train"]) or "--zoo" in arguments
    return _fail("stopped" + (kept if resumes else ""), INTERRUPTED)


def _usage(error: Exception, arguments: list[str]) -> str:
    """What is wrong with the command line, and whose help to read."""
    from pocketvision.commands import COMMANDS

    message = getattr(error, "format_message", lambda: str(error))()
    command = " ".join(["pocketvision", *(name for name in arguments[:1] if name in COMMANDS)])
    return f"{message.rstrip('.')} (see '{command} --help')"


def _fail(message: str, status: int) -> int:
    print(f"error: {' '.join(message.split())}", file=sys.stderr, flush=True)
    return status
