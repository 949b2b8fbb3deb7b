"""The arguments and options that several commands share, with their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

Model = Annotated[str, Argument(metavar="MODEL", help="A name that `pocketvision models` lists, or a model file.")]
Data = Annotated[
    str,
    Argument(metavar="DATA", help="Folder of class folders, CSV, .tar or .zip of these, `digits` or `fashion-mnist`."),
]
Width = Annotated[float | None, Option(help="Width multiplier, such as 0.75.")]
Resolution = Annotated[int | None, Option(help="Side of the input in pixels.")]
Classes = Annotated[int | None, Option(help="Number of classes.")]
Channels = Annotated[int | None, Option(help="Input channels: 1 grey, 3 colour.")]
Groups = Annotated[int | None, Option(help="Groups of shufflenet_v1: 1, 2, 3, 4 or 8.")]
Bypass = Annotated[str | None, Option(help="Bypass of squeezenet: none, simple or complex.")]
Pretrained = Annotated[
    Path | None,
    Option(
        metavar="FILE",
        help="Weights: a file or folder of torchvision, timm, transformers, TFLite, Caffe, a model file of ours, "
        "hf:OWNER/NAME, or auto to download.",
    ),
]
Threads = Annotated[int, Option(help="Threads of the runtime.")]
Runtime = Annotated[str, Option(help="Engine: onnxruntime, torch, or all.")]
Out = Annotated[Path | None, Option(metavar="DIR", help="Folder of the run; an unfinished run in it is gone on with.")]
Fresh = Annotated[bool, Option("--fresh", help="Forget what an earlier run in the folder did.")]
MoreTime = Annotated[
    str | None, Option(metavar="TIME", help="Train a finished run in the folder for that much longer.")
]
Device = Annotated[str, Option(help="Where to train: auto, cpu, cuda or mps.")]
Log = Annotated[
    list[str] | None, Option(metavar="NAME", help="tensorboard or wandb, besides metrics.csv (may be repeated).")
]
Download = Annotated[bool, Option("--download", help="Fetch built-in data that is not on this machine.")]
Strict = Annotated[bool, Option("--strict", help="An image that cannot be read is an error, not left out.")]
Seed = Annotated[int, Option(help="All randomness comes from it.")]
Json = Annotated[bool, Option("--json", help="Print one JSON document on standard output.")]
