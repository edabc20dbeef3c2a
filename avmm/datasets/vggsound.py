"""VGGSound: sounds whose source is in the picture."""
from __future__ import annotations

import os

from avmm.datasets.av_clip_dataset import AVClipDataset, read_rows
from avmm.registry import DATASETS
from avmm.utils import DataError
from avmm.utils.paths import resolve_data_root


@DATASETS.register_module()
class VGGSound(AVClipDataset):
    """VGGSound (Chen et al., 2020): ten-second videos of 309 sounds.

    The official list names the YouTube id, the start in s, the class and the part; classes hold commas, so they may be
    quoted::

        ---g-f_I2yQ,1,people marching,train
        --0PQM4-hqg,30,"ambulance siren, close",test

    The classes come from a csv that the user names, in the order of their numbers: either one name a line, or with
    the header ``index,mid,display_name``::

        index,mid,display_name
        0,vgg_0,airplane

    Files under ``data_root``::

        vggsound.csv
        video/<YouTube id>_<start, six digits>.mp4

    Args:
        label_csv: The list of classes, relative to ``data_root``.
        **kwargs: Arguments of :class:`AVClipDataset`.
    """

    LISTS = {'train': 'vggsound.csv', 'test': 'vggsound.csv'}
    LAYOUT = {'video_path': 'video/{id}.mp4'}
    FIELDS = ('YouTube id', 'start', 'label', 'part')

    def __init__(self, *args, label_csv: str, data_root: str = '', **kwargs):
        path = os.path.join(resolve_data_root(data_root), label_csv)
        kwargs.setdefault('classes', read_classes(path))
        super().__init__(*args, data_root=data_root, **kwargs)

    def load_clips(self) -> list[dict]:
        """Clips of the part that is asked for."""
        return [clip for clip in super().load_clips() if clip.pop('part') == self.part]

    def parse_fields(self, fields: list[str], where: str) -> dict:
        """Turn ``YouTube id, start, label, part`` into a clip."""
        video, start, label, part = fields
        if not start.isdecimal():
            raise DataError(f'{where}: the start is a whole number of seconds, got {start!r}')
        if part not in ('train', 'test'):
            raise DataError(f'{where}: the part is train or test, got {part!r}')
        return {'sample_id': f'{video}_{int(start):06d}', 'gt_label': self.class_index(label, where), 'part': part}


def read_classes(path: str | os.PathLike) -> tuple[str, ...]:
    """Class names of a csv: one a line, or the columns ``index`` and ``display_name`` under a header.

    Raises:
        DataError: If the file is missing, the indices are not 0, 1, 2, ..., or a name comes twice.
    """
    rows = read_rows(path)
    header = rows[0][1]
    if 'display_name' not in header:
        names = [fields[0] for _, fields in rows]
    else:
        if 'index' not in header:
            raise DataError(f'{path}:1: the header has display_name but no index')
        by_index: dict[str, str] = {}
        for number, fields in rows[1:]:
            if len(fields) != len(header):
                raise DataError(f'{path}:{number}: {len(header)} fields are expected ({", ".join(header)}), '
                                f'got {len(fields)}')
            row = dict(zip(header, fields, strict=True))
            by_index[row['index']] = row['display_name']
        missing = [i for i in range(len(rows) - 1) if str(i) not in by_index]
        if missing:
            raise DataError(f'{path}: the index {missing[0]} is missing; indices are 0 to {len(rows) - 2}')
        names = [by_index[str(i)] for i in range(len(by_index))]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f'{path}: the class {twice[0]!r} comes twice')
    return tuple(names)
