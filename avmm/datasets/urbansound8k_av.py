"""UrbanSound8K-AV: street sounds with a picture each."""
from __future__ import annotations

import os
from collections.abc import Sequence

from avmm.datasets.av_clip_dataset import AVClipDataset
from avmm.datasets.transforms.loading_frames import IMAGE_SUFFIXES
from avmm.registry import DATASETS
from avmm.utils import ConfigError, DataError


@DATASETS.register_module()
class UrbanSound8KAV(AVClipDataset):
    """UrbanSound8K-AV (Guo et al., 2023): ten classes of street sounds, one image and one wav a clip.

    Files under ``data_root``::

        Dataset_v3_vision/<class>/<clip>.jpg
        Dataset_v3_sound/<class>/<clip>.wav

    There is no official list. The clips of each class are sorted by name; the first 70 % are for training, with the
    rounding of the published code: a class that begins at place p ends its training part at round(p + 0.7 n).
    ``ann_file`` names an explicit split instead, a clip, its class and its part a line::

        100032-3-0-0,dog_bark,train
        100263-2-0-117,children_playing,test

    Args:
        train_fraction: Part of each class for training, where there is no ``ann_file``.
        **kwargs: Arguments of :class:`AVClipDataset`.
    """

    METAINFO = {
        'classes': ('air_conditioner', 'car_horn', 'children_playing', 'dog_bark', 'drilling', 'engine_idling',
                    'gun_shot', 'jackhammer', 'siren', 'street_music')
    }
    LAYOUT = {
        'audio_path': 'Dataset_v3_sound/{label}/{id}.wav',
        'image_path': 'Dataset_v3_vision/{label}/{id}.jpg',
    }
    FIELDS = ('clip', 'label', 'part')

    def __init__(self, *args, train_fraction: float = 0.7, **kwargs):
        if not 0 < train_fraction < 1:
            raise ConfigError(f'train_fraction must lie between 0 and 1, got {train_fraction}')
        self.train_fraction = train_fraction
        super().__init__(*args, **kwargs)

    def load_clips(self) -> list[dict]:
        """Clips of the part, from the split file or from the folders."""
        if self.ann_file:
            clips = [clip for clip in super().load_clips() if clip.pop('part') == self.part]
        else:
            clips = self._split_folders()
        return clips

    def parse_fields(self, fields: list[str], where: str) -> dict:
        """Turn ``clip, label, part`` into a clip."""
        clip, label, part = fields
        if part not in ('train', 'test'):
            raise DataError(f'{where}: the part is train or test, got {part!r}')
        return {'sample_id': clip, 'gt_label': self.class_index(label, where), 'part': part}

    def _split_folders(self) -> list[dict]:
        stems = [self._stems(label) for label in self.classes]
        clips = []
        for index, kept in enumerate(training_sizes([len(s) for s in stems], self.train_fraction)):
            chosen = stems[index][:kept] if self.part == 'train' else stems[index][kept:]
            clips += [{'sample_id': stem, 'gt_label': index} for stem in chosen]
        return clips

    def _stems(self, label: str) -> list[str]:
        template = self.layout.get('image_path') or next(iter(self.layout.values()))
        pattern = template.format(id='*', label=label, index=self.classes.index(label), part=self.part)
        folder = os.path.dirname(os.path.join(self.data_root, pattern))
        try:
            names = os.listdir(folder)
        except OSError as error:
            raise DataError(f'{folder}: the folder of class {label!r} cannot be read ({error.strerror})') from None
        stems = sorted(os.path.splitext(n)[0] for n in names if n.lower().endswith((*IMAGE_SUFFIXES, '.wav')))
        if not stems:
            raise DataError(f'{folder}: the folder of class {label!r} holds no clips')
        return stems


def training_sizes(sizes: Sequence[int], fraction: float = 0.7) -> list[int]:
    """How many of the clips of each class are for training, by the rounding of the published code.

    Example:
        >>> training_sizes([5, 5])  # the second class begins at 5 and ends its training part at round(8.5)
        [4, 3]
    """
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    return [round(start + fraction * size) - start for start, size in zip(starts, sizes, strict=True)]
