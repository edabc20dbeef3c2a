"""The files of AVE: what they are called, what they hold, and the labels in them."""
from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from avmm.datasets.row_reader import open_rows
from avmm.utils import DataError

#: Event classes in the order of their numbers, as Annotations.txt spells them.
AVE_CLASSES = (
    'Church bell', 'Male speech, man speaking', 'Bark', 'Fixed-wing aircraft, airplane', 'Race car, auto racing',
    'Female speech, woman speaking', 'Helicopter', 'Violin, fiddle', 'Flute', 'Ukulele', 'Frying (food)', 'Truck',
    'Shofar', 'Motorcycle', 'Acoustic guitar', 'Train horn', 'Clock', 'Banjo', 'Goat', 'Baby cry, infant cry', 'Bus',
    'Chainsaw', 'Cat', 'Horse', 'Toilet flush', 'Rodents, rats, mice', 'Accordion', 'Mandolin')
BACKGROUND = len(AVE_CLASSES)
NUM = BACKGROUND + 1
SEGMENTS = 10

#: Key of the one data set of a feature or label file, and of an order file.
KEY, ORDER_KEY = 'avadataset', 'order'
ANNOTATIONS = 'Annotations.txt'
#: Packed features, and those of background videos.
STORE, STORE_NOISY = 'features.h5', 'features_noisy.h5'

#: CRC-32 of the numbers of the published files, little-endian.
CHECKSUMS = {
    'train_order.h5': '51a62f64', 'val_order.h5': 'd9de7423', 'test_order.h5': 'f6fc5f91',
    'train_order_match.h5': 'de117b1f', 'val_order_match.h5': '1b3713f0', 'test_order_match.h5': 'f6ae54b4',
    'labels_closs.h5': 'f05500cb', 'mil_labels.h5': '1288d690', 'labels_noisy.h5': 'bc67eedc',
    'audio_feature_noisy.h5': '5fe5328d',
}


def read_array(path: str | os.PathLike, key: str = KEY) -> np.ndarray:
    """A whole small array.

    Raises:
        DataError: If the file cannot be read or has no such array.
    """
    rows = open_rows(path, key)
    return rows.gather(range(len(rows)))


def write_array(path: str | os.PathLike, values: np.ndarray, key: str = KEY) -> None:
    """Write a file of one contiguous array; it appears under its name when it is whole."""
    path = Path(path)
    unfinished = path.with_name(f'.{path.name}.tmp')
    with h5py.File(unfinished, 'w') as file:
        file[key] = values
    with open(unfinished, 'rb') as file:
        os.fsync(file.fileno())
    os.replace(unfinished, path)


def read_order(path: str | os.PathLike, count: int | None = None) -> np.ndarray:
    """The rows of a split ``(N,)``, int64, in their order.

    Args:
        path: An order file.
        count: Number of rows of the feature files, to check against.

    Raises:
        DataError: If the file cannot be read, or names a row that is not there.
    """
    order = read_array(path, ORDER_KEY)
    if order.ndim != 1 or order.dtype.kind not in 'iu' or len(order) == 0:
        raise DataError(f'{path}: an order is a list of whole numbers, got {order.dtype} {order.shape}')
    wrong = order[(order < 0) | (order >= (count if count is not None else np.inf))]
    if len(wrong):
        raise DataError(f'{path}: row {wrong[0]} is named, where the features have {count} rows')
    return order.astype(np.int64)


def checksum(path: str | os.PathLike) -> str:
    """CRC-32 of the numbers in a file of the data set, eight hexadecimal digits."""
    array = read_array(path, ORDER_KEY if 'order' in Path(path).name else KEY)
    return f'{zlib.crc32(np.ascontiguousarray(array, array.dtype.newbyteorder("<"))):08x}'


def check_official(folder: str | os.PathLike) -> dict[str, bool]:
    """Whether each small file in ``folder`` is the published one, by its checksum; files that are absent are left out.

    Raises:
        DataError: If a file cannot be read.
    """
    return {name: checksum(Path(folder, name)) == published for name, published in CHECKSUMS.items()
            if Path(folder, name).is_file()}


@dataclass(frozen=True)
class Annotations:
    """What Annotations.txt says of each video, in the order of the rows of all other files.

    Attributes:
        names: YouTube ids ``(N,)``; some occur twice.
        classes: Numbers of the event classes ``(N,)``, int64.
        spans: First second of the event and the one after its last ``(N, 2)``, int64.
    """
    names: tuple[str, ...]
    classes: np.ndarray
    spans: np.ndarray

    def mask(self, segments: int = SEGMENTS) -> np.ndarray:
        """Which seconds the event covers ``(N, S)``, bool: those from its start on and before its end."""
        seconds = np.arange(segments)
        return (self.spans[:, :1] <= seconds) & (seconds < self.spans[:, 1:])

    def segments(self, segments: int = SEGMENTS) -> np.ndarray:
        """Class of every second ``(N, S)``, int64; background outside of the event."""
        return segment_classes(self.classes, self.mask(segments))


def segment_classes(classes: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The class of the video where ``mask`` ``(N, S)`` is true, background elsewhere ``(N, S)``, int64."""
    return np.where(mask, classes[:, None], BACKGROUND)


def video_classes(segments: np.ndarray) -> np.ndarray:
    """Class of a video ``(N,)`` by its segments ``(N, S)``; 0 for one that is all background.

    It is the largest class over the segments, background counted as 0: what CMRAN takes (Xu et al., ACM MM 2020).
    """
    return np.where(segments == BACKGROUND, 0, segments).max(1)


def one_hot(classes: np.ndarray, dtype: str = 'float32') -> np.ndarray:
    """Classes ``(...)`` as vectors ``(..., 29)``."""
    return (classes[..., None] == np.arange(NUM)).astype(dtype)


def parse_annotations(lines: Sequence[str], path: str | os.PathLike = ANNOTATIONS) -> Annotations:
    """Read lines ``Category&YouTube id&Quality&Start&End``, such as ``Church bell&RUhOCu3LNXM&good&0&10``.

    Args:
        lines: The lines of the file.
        path: Its name, for messages.

    Raises:
        DataError: Naming the line that is wrong.
    """
    numbers = {name: i for i, name in enumerate(AVE_CLASSES)}
    names, classes, spans = [], [], []
    for number, line in enumerate(lines, 1):
        fields = line.rstrip('\r\n').split('&')
        if len(fields) != 5:
            raise DataError(f'{path}:{number}: Category&YouTube id&Quality&Start&End is expected, '
                            f'got {line.strip()!r}')
        category, name, _, start, end = (field.strip() for field in fields)
        if category not in numbers:
            raise DataError(f'{path}:{number}: {category!r} is none of the {BACKGROUND} event classes')
        if not (start.isdecimal() and end.isdecimal() and int(start) <= int(end)):
            raise DataError(f'{path}:{number}: start and end are whole seconds, start first; got {start!r}, {end!r}')
        names.append(name)
        classes.append(numbers[category])
        spans.append((int(start), int(end)))
    return Annotations(tuple(names), np.array(classes, np.int64), np.array(spans, np.int64).reshape(-1, 2))


def read_annotations(path: str | os.PathLike) -> Annotations:
    """Read Annotations.txt.

    Raises:
        DataError: If it is missing, empty or no such list.
    """
    try:
        lines = Path(path).read_text(encoding='utf-8-sig').splitlines()
    except FileNotFoundError:
        raise DataError(f'{path}: the list of events is missing') from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f'{path}: the list of events cannot be read ({error})') from None
    if not lines:
        raise DataError(f'{path}: the list of events is empty')
    return parse_annotations(lines, path)


def check_one_hot(labels: np.ndarray, path: str | os.PathLike, ndim: int) -> np.ndarray:
    """Class numbers of one-hot labels ``(..., 29)``.

    Raises:
        DataError: If the array is something else.
    """
    if labels.ndim != ndim or labels.shape[-1] != NUM:
        shape = '(N, S, 29)' if ndim == 3 else '(N, 29)'
        raise DataError(f'{path}: labels have shape {shape}, got {labels.shape}')
    if not ((labels == 0) | (labels == 1)).all() or not (labels.sum(-1) == 1).all():
        raise DataError(f'{path}: labels are one-hot vectors, and these are not; make them with '
                        'tools/dataset_converters/ave.py')
    return labels.argmax(-1).astype(np.int64)
