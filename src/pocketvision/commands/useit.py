"""The last lines of a run: how to use what it made, on the command line and in Python."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from pocketvision.commands.showing import console

ANY = "photo.jpg"  # where no image of the data is a file of its own


def use_it(file: str | Path, image: str | Path | None) -> list[str]:
    """`Use it:` and two lines for a shell that name `image`, one of the data, so that they run as they stand."""
    image = str(image or ANY)
    python = f"import pocketvision as pv; print(pv.load({_quoted(file)}).predict({_quoted(image)})[0])"
    return [
        "Use it:",
        f"  {shlex.join(['pocketvision', 'predict', str(file), image])}",
        f"  python -c {shlex.quote(python)}",
    ]


def _quoted(text: object) -> str:
    """As Python reads it, in double quotes: the shell's are single ones."""
    return json.dumps(str(text), ensure_ascii=False)


def show_use(file: str | Path, image: str | Path | None) -> None:
    """Print it, the lines in one piece however narrow the terminal is: they are there to be copied."""
    for line in ["", *use_it(file, image)]:
        console().print(line, markup=False, soft_wrap=True)


def an_image(data: str) -> Path | None:
    """The first held-out image of `data` that is a file of its own and can be read; None in an archive."""
    from pocketvision.data.decode import decode
    from pocketvision.data.sources import open_dataset
    from pocketvision.errors import InputError

    splits = open_dataset(data).splits
    samples = next((splits[name] for name in ("test", "val", "train") if splits.get(name)), ())
    for image in (sample.image for sample in samples if sample.image.size < 0 and not sample.image.member):
        try:
            decode(image)
        except InputError:  # it was named when the data were examined
            continue
        return image.path
    return None
