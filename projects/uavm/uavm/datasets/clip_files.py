"""The files of UAVM: lists of clips in json, classes in csv, and a weight for every clip."""
from __future__ import annotations

import csv
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avmm.datasets.samplers.labels import inverse_frequency_weights
from avmm.utils import DataError


@dataclass(frozen=True)
class Labels:
    """Classes of a data set.

    Attributes:
        mids: Identifier of every class ``(C,)``, such as ``/m/09x0r`` or ``vgg_0``.
        names: What people call it ``(C,)``.
    """
    mids: tuple[str, ...]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.mids)

    def numbers(self, text: str, where: str) -> list[int]:
        """Class numbers of comma-joined identifiers, in their order and as often as they occur.

        Raises:
            DataError: If the list of classes lacks one; ``where`` says whose labels these are.
        """
        try:
            return [self._index[mid] for mid in text.split(',')]
        except KeyError as error:
            raise DataError(f'{where}: the label {error} is not among the {len(self)} classes of the label file') \
                from None

    def __post_init__(self):
        object.__setattr__(self, '_index', {mid: i for i, mid in enumerate(self.mids)})


def read_labels(path: str | os.PathLike) -> Labels:
    """Read the classes of a csv file, a class a line; a name with a comma stands in quotes::

        index,mid,display_name
        0,/m/09x0r,"Speech"
        1,/m/05zppz,"Male speech, man speaking"

    Raises:
        DataError: If the file is missing or no such list.
    """
    path = os.fspath(path)
    try:
        with open(path, encoding='utf-8', newline='') as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError:
        raise DataError(f'{path}: the label file is missing') from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f'{path}: cannot be read as csv ({error})') from None
    if not rows or not {'index', 'mid', 'display_name'} <= set(rows[0]):
        raise DataError(f'{path}: a label file begins with the line index,mid,display_name and has a class a line')
    mids, names = [''] * len(rows), [''] * len(rows)
    for line, row in enumerate(rows, 2):
        number = row['index'] or ''
        if not number.isdecimal() or int(number) >= len(rows) or mids[int(number)]:
            raise DataError(f'{path}:{line}: index {number!r}; the {len(rows)} classes are numbered from 0, each once')
        mids[int(number)], names[int(number)] = row['mid'], row['display_name'] or ''
    if '' in mids or None in mids or len(set(mids)) != len(mids):
        raise DataError(f'{path}: every class needs a mid of its own')
    return Labels(tuple(mids), tuple(names))


def read_clips(path: str | os.PathLike, keys: Sequence[str]) -> list[dict]:
    """Read a list of clips; each has at least ``keys``, other entries are kept::

        {"data": [{"wav": "audio/a.flac", "labels": "/m/09x0r,/m/05zppz"},
                  {"labels": "vgg_3", "afeat": "audio_feat/b.npy", "vfeat": "video_feat/b.npy"}]}

    Raises:
        DataError: If the file is missing, no such list, or empty, or a clip lacks a key.
    """
    path = os.fspath(path)
    try:
        content = json.loads(Path(path).read_bytes())
    except FileNotFoundError:
        raise DataError(f'{path}: the list of clips is missing') from None
    except (ValueError, RecursionError) as error:
        raise DataError(f'{path}: cannot be read as json ({error})') from None
    clips = content.get('data') if isinstance(content, dict) else None
    if not isinstance(clips, list) or not clips:
        raise DataError(f'{path}: a list of clips has the form {{"data": [{{"labels": ..., ...}}, ...]}}, '
                        'with at least one clip')
    for number, clip in enumerate(clips):
        if not isinstance(clip, dict) or any(not isinstance(clip.get(key), str) or not clip[key] for key in keys):
            raise DataError(f'{path}: clip {number} needs {", ".join(keys)}, each a text that is not empty')
    return clips


def weight_path(json_path: str | os.PathLike, suffix: str = 'weight') -> Path:
    """Where the weights of a list lie: ``train.json`` has ``train_weight.csv``."""
    path = os.fspath(json_path)
    return Path(f'{path.removesuffix(".json")}_{suffix}.csv')


def class_balance_weights(labels: Sequence[Sequence[int]]) -> np.ndarray:
    r"""Weight of every clip ``(N,)``: the sum over its labels of :math:`1000 / (n_c + 0.01)`.

    Source: the sampling of PSLA (Gong et al., 2021). A label that a clip names twice counts twice.
    """
    return inverse_frequency_weights([list(numbers) for numbers in labels])


def write_weights(path: str | os.PathLike, weights: np.ndarray) -> None:
    """Write a weight a line, as ``numpy.savetxt`` does; the file appears at once or not at all."""
    path = Path(path)
    unfinished = path.with_name(f'{path.name}.part')
    np.savetxt(unfinished, weights)
    os.replace(unfinished, path)
