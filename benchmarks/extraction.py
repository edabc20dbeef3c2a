"""Plain reference: one OpenCV process that reads every frame of each video and resizes it to 224 x 224."""
from __future__ import annotations

from collections.abc import Callable

from avmm.utils.errors import DataError, optional_import
from benchmarks.references import Task

SIDE = 224


def decode(task: Task) -> Callable[[], int]:
    """A function that reads the videos of the task; returns their number.

    Options: ``threads``, those of OpenCV (default: its own).
    """
    cv2 = optional_import('cv2', 'benchmark')
    videos = task.open_dataset()
    if 'threads' in task.options:
        cv2.setNumThreads(int(task.options['threads']))

    def repeat() -> int:
        for path in videos:
            # The least that such a script does: neither colours are put in order nor frames kept.
            capture, frame = cv2.VideoCapture(path), None
            there, picture = capture.read()
            while there:
                frame = cv2.resize(picture, (SIDE, SIDE))
                there, picture = capture.read()
            capture.release()
            if frame is None:
                raise DataError(f'{path}: OpenCV reads no frame')
        return len(videos)

    return repeat


OFFERS = dict(decode=decode)
