"""While a job runs, what was decoded of an image is kept: held-out images are looked at in a dozen steps.

Kept is what comes first, up to a bound; nothing gives way to later images. A job goes through its images in the same
order again and again, where throwing out the oldest would keep nothing that is asked for.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

from pocketvision.data.decode import Pixels
from pocketvision.data.imagefile import ImageFile

MOST_BYTES = 512 << 20  # about 900 photographs of 500 x 375 px, or 3,500 pictures at 224 px


class KeptImages:
    """Pixels by image and by what was done to it; for the process that made it: forked ones only look."""

    def __init__(self, most: int) -> None:
        self.most, self.used, self.process = most, 0, os.getpid()
        self.pixels: dict[Hashable, Pixels] = {}
        self.lock = threading.Lock()

    def once(self, key: Hashable, make: Callable[[], Pixels], share: float) -> Pixels:
        """The pixels under `key`, made if they are not there; kept while less than `share` of the room is used."""
        found = self.pixels.get(key)
        if found is not None:
            return found
        made = make()
        with self.lock:
            if os.getpid() == self.process and key not in self.pixels and self.used + made.nbytes <= share * self.most:
                made.flags.writeable = False
                self.pixels[key] = made
                self.used += made.nbytes
        return made


_current: KeptImages | None = None


@contextmanager
def keeping_images(most: int = MOST_BYTES) -> Iterator[None]:
    """Inside, `once` keeps up to `most` bytes of pixels. Within another such block that one's are used."""
    global _current
    if _current is not None:
        yield
        return
    _current = KeptImages(most)
    try:
        yield
    finally:
        _current = None


def once(image: ImageFile, what: Hashable, make: Callable[[], Pixels], share: float = 1.0) -> Pixels:
    """`make()`, the pixels of `image` after `what` was done to them; those of before when they were kept.

    Do not write to them. A file that has changed is another image. Raises what `make` raises; nothing is kept then.
    """
    if _current is None:
        return make()
    try:
        status = os.stat(image.path)
    except OSError:
        return make()  # which says what is wrong
    return _current.once((image, status.st_mtime_ns, status.st_size, what), make, share)
