"""Published weights through the library that publishes them: nothing is downloaded unless it was asked for.

The Hugging Face Hub goes through huggingface_hub, with its cache, endpoint and token.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from pocketvision.errors import InputError
from pocketvision.progress import say

MEGABYTES = 14  # of torchvision's mobilenet_v2 file
PREFIX = "hf:"
NAME = re.compile(r"hf:(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")
# In turn, until one of the weights is there: of the same weights in two formats, one is enough.
NEEDED = (["config.json", "preprocessor_config.json", "model.safetensors"], ["pytorch_model.bin"])


def fetch() -> Path:
    """torchvision's MobileNetV2 weights as a file: the one downloaded before, else downloaded now.

    On a terminal the person is asked first. InputError when they say no, and when there is no connection.
    """
    from torchvision.models import MobileNet_V2_Weights

    url = MobileNet_V2_Weights.IMAGENET1K_V1.url
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[-1]
    if path.is_file():
        return path
    host = url.split("/")[2]
    if sys.stdin.isatty() and sys.stderr.isatty():
        sys.stderr.write(f"Download {MEGABYTES} MB from {host} to {path}? [y/N] ")
        sys.stderr.flush()
        if input().strip().lower() not in ("y", "yes"):
            raise InputError("no weights were downloaded: give --pretrained FILE, or leave it out")
    say(f"downloading {MEGABYTES} MB from {host}")
    try:
        MobileNet_V2_Weights.IMAGENET1K_V1.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:  # no connection, or not the file that was published
        reason = " ".join(str(getattr(error, "reason", error)).split())
        raise InputError(
            f"cannot download weights from {host} ({reason}): give --pretrained FILE, or leave it out"
        ) from None
    return path


def is_name(source: object) -> bool:
    """Is it the name of a repository on the Hub, such as `hf:owner/name`?"""
    return isinstance(source, str | Path) and str(source).startswith(PREFIX)


def download(name: str) -> Path:
    """The folder with the weights of `hf:owner/name`, or of a revision of it: `hf:owner/name@v1.0`.

    What huggingface_hub has in its cache is not downloaded again, and used where there is no connection.
    """
    match = NAME.fullmatch(name)
    if not match:
        raise InputError(f"{name!r} is no name on the Hugging Face Hub: give hf:owner/name, or hf:owner/name@revision")
    folder = Path()
    with _one_sentence(name):
        from huggingface_hub import snapshot_download

        for patterns in NEEDED:
            found = snapshot_download(match["repo"], revision=match["revision"], allow_patterns=patterns)
            folder = Path(str(found))
            if any((folder / weights).is_file() for weights in ("model.safetensors", "pytorch_model.bin")):
                return folder
    raise InputError(f"{name} holds neither model.safetensors nor pytorch_model.bin: give a repository that does")


def upload(folder: Path, repo_id: str, token: str | None = None, private: bool = False) -> str:
    """Make the repository `owner/name` hold the files in `folder`; its address. `token` None: the one of `hf login`."""
    if not NAME.fullmatch(PREFIX + repo_id) or "@" in repo_id:
        raise InputError(f"{repo_id!r} is no name on the Hugging Face Hub: give owner/name")
    with _one_sentence(PREFIX + repo_id):
        from huggingface_hub import HfApi

        api = HfApi(token=token)
        address = str(api.create_repo(repo_id, private=private, exist_ok=True))
        api.upload_folder(repo_id=repo_id, folder_path=folder, commit_message="Upload from pocketvision")
    return address


@contextmanager
def _one_sentence(name: str) -> Iterator[None]:
    """Whatever huggingface_hub raises, as an InputError: its own messages are paragraphs."""
    try:
        from huggingface_hub import errors
    except ModuleNotFoundError:
        raise InputError(f"{name} needs the package huggingface_hub: pip install huggingface_hub") from None
    try:
        yield
    except InputError:
        raise
    except errors.GatedRepoError:
        raise InputError(f"{name} is gated: ask for access on its page, then log in with 'hf auth login'") from None
    except errors.RepositoryNotFoundError:
        raise InputError(
            f"there is no {name} on the Hugging Face Hub, or you may not see it: check the name, or log in with "
            "'hf auth login'"
        ) from None
    except errors.RevisionNotFoundError:
        raise InputError(f"{name} has no such revision: check what stands behind the @") from None
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled):
        raise InputError(
            f"{name} was not downloaded before, and there is no connection to the Hugging Face Hub: connect, or give "
            "a folder"
        ) from None
    except Exception as error:  # of HTTP, of the network, of the file system: whichever library answers for them
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{name}: the Hugging Face Hub or the way there failed ({reason}): try again") from None
