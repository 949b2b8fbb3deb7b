"""The arguments and options that several commands share, with their help.

`metavar` says what kind of value an option takes, with the choices where there are few.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from pocketvision.validation import FAMILIES

# The groups in which the help of a command shows its options; what is not in one stands first.
NETWORK, LIMITS, TRAINING = "The network", "Limits besides time", "Training"
RUN, DATA, OUTPUT = "The run's folder", "Data", "Output"

BUILTIN = ("digits", "fashion-mnist")


def beginning(choices: Iterable[str], text: str) -> Iterator[str]:
    """Those of `choices` that begin with `text`: what a shell completes."""
    return (choice for choice in choices if choice.startswith(text))


def complete_model(incomplete: str) -> list[str]:
    """Families; files are completed by the shell itself where nothing matches."""
    return list(beginning(FAMILIES, incomplete))


def complete_data(incomplete: str) -> list[str]:
    """The built-in data sets, as `complete_model`."""
    return list(beginning(BUILTIN, incomplete))


def complete_runtime(incomplete: str) -> list[str]:
    """The names of the runtimes."""
    from pocketvision.runtimes import RUNTIMES

    return list(beginning(RUNTIMES, incomplete))


Model = Annotated[
    str,
    Argument(
        metavar="MODEL", help="A name that 'pocketvision models' lists, or a model file.", autocompletion=complete_model
    ),
]
Data = Annotated[
    str,
    Argument(
        metavar="DATA",
        help="Folder of class folders, CSV, .tar or .zip of these; or digits or fashion-mnist, which are built in.",
        autocompletion=complete_data,
    ),
]
Width = Annotated[
    float | None, Option(metavar="NUMBER", help="Width multiplier, such as 0.75.", rich_help_panel=NETWORK)
]
Resolution = Annotated[int | None, Option(metavar="PX", help="Side of the input.", rich_help_panel=NETWORK)]
Classes = Annotated[int | None, Option(metavar="N", help="Number of classes.", rich_help_panel=NETWORK)]
Channels = Annotated[int | None, Option(metavar="N", help="Input channels: 1 grey, 3 colour.", rich_help_panel=NETWORK)]
Groups = Annotated[int | None, Option(metavar="1|2|3|4|8", help="Of shufflenet_v1.", rich_help_panel=NETWORK)]
Bypass = Annotated[str | None, Option(metavar="none|simple|complex", help="Of squeezenet.", rich_help_panel=NETWORK)]
Pretrained = Annotated[
    Path | None,
    Option(
        metavar="FILE",
        help="Weights: a file or folder of torchvision, timm, transformers, TFLite, Caffe, a model file of ours, "
        "hf:OWNER/NAME, or auto to download. FILE@NAME says of which network, where several have the same tensors.",
    ),
]
Threads = Annotated[int, Option(metavar="N", help="Threads of the runtime.")]
Out = Annotated[
    Path | None,
    Option(metavar="DIR", help="Where the run is kept; an unfinished run in it is gone on with.", rich_help_panel=RUN),
]
Fresh = Annotated[bool, Option("--fresh", help="Forget what an earlier run in the folder did.", rich_help_panel=RUN)]
MoreTime = Annotated[
    str | None,
    Option(metavar="TIME", help="Train a finished run in the folder for that much longer.", rich_help_panel=RUN),
]
Device = Annotated[str, Option(metavar="auto|cpu|cuda|mps", help="Where to train.", rich_help_panel=TRAINING)]
Log = Annotated[
    list[str] | None,
    Option(
        metavar="tensorboard|wandb",
        help="Send the metrics there, besides metrics.csv (may be repeated).",
        rich_help_panel=TRAINING,
    ),
]
Download = Annotated[
    bool,
    Option("--download", help="Fetch built-in data that is not on this machine.", rich_help_panel=DATA),
]
Strict = Annotated[
    bool,
    Option(
        "--strict",
        help="An image that cannot be read is an error, not left out.",
        rich_help_panel=DATA,
    ),
]
Seed = Annotated[int, Option(metavar="N", help="All randomness comes from it.", rich_help_panel=TRAINING)]
Json = Annotated[bool, Option("--json", help="Print one JSON document on standard output.")]
