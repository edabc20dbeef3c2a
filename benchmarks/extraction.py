"""Plain reference: one OpenCV process that reads every frame of each video and resizes it to 224 x 224."""
from __future__ import annotations

from collections.abc import Callable

import numpy as np

from avmm.utils.errors import DataError, optional_import
from benchmarks.references import Task

SIDE = 224


def decode(task: Task) -> Callable[[], int]:
    """A function that reads the videos of the task; returns their number.

    Options: ``threads``, those of OpenCV (default: its own); ``batch=yes`` also puts the colours in the order of RGB
    and the frames of a video into one array, as the extraction engine does.
    """
    cv2 = optional_import('cv2', 'benchmark')
    videos = task.open_dataset()
    if 'threads' in task.options:
        cv2.setNumThreads(int(task.options['threads']))

    batch = task.options.get('batch') == 'yes'

    def repeat() -> int:
        for path in videos:
            capture, frame, frames = cv2.VideoCapture(path), None, []
            there, picture = capture.read()
            while there:
                frame = cv2.resize(picture, (SIDE, SIDE))
                if batch:
                    frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
                there, picture = capture.read()
            capture.release()
            if frame is None:
                raise DataError(f'{path}: OpenCV reads no frame')
            if batch:
                np.stack(frames)
        return len(videos)

    return repeat


OFFERS = dict(decode=decode)
