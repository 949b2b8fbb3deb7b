"""What a data set is to everybody else: places of images with labels, in splits, and one locked list of classes."""

from dataclasses import dataclass
from typing import Literal

from pocketvision.data.imagefile import ImageFile

Task = Literal["classify", "multilabel"]  # one class for each image, or any number of them
TASKS: tuple[Task, ...] = ("classify", "multilabel")


@dataclass(frozen=True)
class Sample:
    """One labelled image. `name` is its path inside the data ("train/ants/1.jpg"): the same wherever the data lies.

    Images of one `group` (frames of one video, photographs of one object) stay in one split; "" stands alone.
    """

    image: ImageFile
    label: int  # index into Dataset.classes; -1 where an image may have several
    name: str = ""
    group: str = ""
    several: tuple[int, ...] = ()  # in multi-label data: the indices, ascending, of all classes that it shows

    @property
    def labels(self) -> tuple[int, ...]:
        """The indices of its classes: one, or in multi-label data any number."""
        return self.several if self.label < 0 else (self.label,)


@dataclass(frozen=True)
class Dataset:
    """Labelled images by split. Data without splits is all "train"; `splits.split` carves "val" from it.

    The order of `classes` and of the samples depends on the names alone, not on the file system.
    """

    name: str  # short, for people: "ants_bees"
    source: str  # as it was given; opens the same data again
    classes: tuple[str, ...]  # a label is an index into these
    splits: dict[str, tuple[Sample, ...]]  # "train", "val", "test": those that hold images
    task: Task = "classify"
    unread: tuple[str, ...] = ()  # names of files in class folders that are no images we can read
    notes: tuple[tuple[str, str], ...] = ()  # on what was guessed or passed over: "warning" or "note", and a sentence
