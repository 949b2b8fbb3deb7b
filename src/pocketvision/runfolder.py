"""The run folder: what has been done already, so that the same command goes on instead of starting again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

from pocketvision.begun import differing, other_settings, read_json
from pocketvision.data.dataset import Dataset
from pocketvision.data.doctor import Examination, drop_unreadable, examine, refuse_unreadable, same_pictures
from pocketvision.data.leftovers import RUN
from pocketvision.data.look import Embedding
from pocketvision.data.record import RECORD, SPLITS, Change, Record, compare, record
from pocketvision.data.sources import is_there, same_place
from pocketvision.data.splits import load_splits, require_classes, save_splits, split
from pocketvision.errors import InputError
from pocketvision.files import remove_temporary, writable_folder, write_atomic
from pocketvision.lock import FolderLock
from pocketvision.progress import is_first_process, say
from pocketvision.training.divergence import is_lowered
from pocketvision.training.plan import More
from pocketvision.training.state import read_notes
from pocketvision.units import parse_duration

SETTINGS, TRAINING = RUN, "state/training.safetensors"
MORE = "state/more.json"
EXAMINED = "state/doctor.json"


class RunFolder:
    """`out` holds one run. Opening it with other settings than it was begun with is an InputError.

    Used with `with`: when the user's input turns out to be wrong before anything was trained, what the run wrote is
    taken away again, so that the mended command starts clean.
    """

    def __init__(
        self,
        out: Path,
        settings: dict[str, Any],
        result: str,
        fresh: bool = False,
        dataset: Dataset | None = None,
        retime: bool = False,
    ) -> None:
        """`result` is the file whose presence says that the run is finished; `fresh` forgets what was done;
        with `retime` nothing new is to be made of it.

        The setting "data" is the same when it names the same place, or a `dataset` with the same images.
        """
        self.out, self.result, self.dataset = out, result, dataset
        self._new_folder = not out.exists()
        writable_folder(out)
        self._lock = FolderLock(out) if is_first_process() else None
        try:
            self._begin(settings, fresh, retime)
        except BaseException:
            self._unlock()
            raise

    def _begin(self, settings: dict[str, Any], fresh: bool, retime: bool) -> None:
        out, begun = self.out, self.read(SETTINGS)
        if begun is not None and fresh:
            self._forget()
            begun = None
        change = self._change()
        if begun is not None and self._is_same_data(begun, settings, change):
            # Begun with the place that is still there, whichever copy is named now: by its place it is known again
            # when its images change. Where it was moved away, the new place is meant from now on.
            name = begun["data"] if is_there(begun["data"]) else settings["data"]
            begun, settings = {**begun, "data": name}, {**settings, "data": name}
        if begun is not None and begun != settings and not self._lowers_rate(begun, settings):
            also = f"; and {change.described()}" if change else ""
            raise other_settings(out, differing(begun, settings), also, retime)
        writable_folder(out / "state")
        self.write(SETTINGS, settings)

    def read(self, name: str, kind: type = dict) -> Any:
        """JSON content, of `kind`, of a file in the folder; None when it is not there yet."""
        return read_json(self.out / name, kind)

    def write(self, name: str, content: Any) -> None:
        """Put JSON into the folder, atomically."""
        write_atomic(self.out / name, json.dumps(content, indent=1))

    def note_data(self, more_time: str | None, show: bool = True) -> None:
        """Remember what the data holds; where that has changed since the run was begun, say so.

        A finished run stays as it is. One that goes on does so with the images that it was begun with; when some of
        those are gone or labelled anew, that is an InputError. Before anything was trained they are looked at anew.
        """
        assert self.dataset is not None
        goes_on = more_time is not None or self.read(self.result) is None or self.read(MORE) is not None
        change = self._change()
        if not change:
            if goes_on and self.read(RECORD) is None:
                self.write(RECORD, self._record)
            return
        said = f"{self.dataset.source} has changed since the run in {self.out} was begun: {change.described()}"
        again = "--fresh starts again with the data as they are, another --out keeps this run too"
        if goes_on and not self._is_trained():
            for name in (EXAMINED, SPLITS):
                (self.out / name).unlink(missing_ok=True)
            self.write(RECORD, self._record)
            said = f"{said}; nothing was trained yet, so the data are looked at anew"
        elif goes_on and (change.gone or change.relabelled):
            raise InputError(f"{said}: put them back as they were, or {again}")
        elif goes_on:
            said = f"{said}; it goes on with the images that it was begun with: {again}"
        else:
            said = f"{said}; its network knows nothing of that: {again}"
        if show:
            say(said)

    def _change(self) -> Change | None:
        """What has become of the data since the run was begun; None when nothing is known of either."""
        before = self.read(RECORD)
        return None if before is None or self.dataset is None else compare(before, self._record)

    @cached_property
    def _record(self) -> Record:
        assert self.dataset is not None
        return record(self.dataset)

    def _is_same_data(self, begun: dict[str, Any], settings: dict[str, Any], change: Change | None) -> bool:
        if "data" not in begun or "data" not in settings:
            return False
        return same_place(begun["data"], settings["data"]) or (change is not None and not change)

    def _is_trained(self) -> bool:
        """Has any training, a short one or a fold's, left its state?"""
        return any(self.out.rglob(Path(TRAINING).name))

    def continuation(self, more_time: str | None, forget: Sequence[str] = ()) -> More | None:
        """How a finished run is to be trained longer; None when it is not.

        Begun once for each request, so that the same command, or the one without `more_time`, goes on with an
        interrupted continuation. `forget` are the files that what comes after the training remembers. InputError when
        there is no finished run.
        """
        begun = self.read(MORE)
        if begun is None and more_time is not None:
            seconds = parse_duration(more_time, "more-time")
            if self.read(self.result) is None:
                raise InputError(f"{self.out} holds no finished run to go on with: leave out --more-time")
            for name in forget:
                (self.out / name).unlink(missing_ok=True)
            begun = {"seconds": seconds, "after_epoch": len(read_notes(self.out / TRAINING)["epochs"])}
            self.write(MORE, begun)
        return More(**begun) if begun else None

    def continued(self) -> None:
        """The continuation, if there was one, is done."""
        (self.out / MORE).unlink(missing_ok=True)

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if not is_first_process():
            return
        remove_temporary(self.out)  # of an earlier process that was killed
        if isinstance(error, InputError) and not self._is_trained():
            self._forget()
            if self._new_folder and not any(self.out.iterdir()):
                self.out.rmdir()
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.release()

    def _lowers_rate(self, begun: dict[str, Any], settings: dict[str, Any]) -> bool:
        """Is the rate at which the training diverged the only thing that has changed, and lower?"""
        recipes = begun.get("recipe"), settings.get("recipe")
        return {**begun, "recipe": recipes[1]} == settings and is_lowered(self.out / TRAINING, *recipes)

    def _forget(self) -> None:
        (self.out / self.result).unlink(missing_ok=True)
        (self.out / SPLITS).unlink(missing_ok=True)
        shutil.rmtree(self.out / "state")


def examine_once(
    folder: RunFolder, dataset: Dataset, embedding: Callable[[], Embedding], strict: bool, show: bool
) -> tuple[Dataset, Examination]:
    """`dataset` without what cannot be read, and what was found; examined on the first run, remembered from then on.

    What is wrong is said. With `strict`, images that cannot be read are an InputError; so is a class without others.
    """
    saved = folder.read(EXAMINED)
    seen = examine(dataset, embedding(), show) if saved is None else Examination.from_json(saved)
    if strict:
        refuse_unreadable(seen, dataset.source)
    dataset = drop_unreadable(dataset, seen)
    require_classes(dataset)
    if saved is None:
        folder.write(EXAMINED, seen.to_json())
        for finding in seen.findings if show else ():
            if finding["severity"] != "note":
                say(f"doctor: {finding['text']}")
    return dataset, seen


def split_once(folder: RunFolder, dataset: Dataset, seed: int, seen: Examination) -> Dataset:
    """`dataset` with a val split: carved on the first run and saved, the saved one from then on.

    Of images that `seen` found to be copies of each other, none is held out while another is trained on.
    """
    path = folder.out / SPLITS
    if path.is_file():
        return load_splits(path, dataset)
    dataset = split(dataset, seed=seed, together=same_pictures(seen, dataset))
    save_splits(dataset, path)
    return dataset
