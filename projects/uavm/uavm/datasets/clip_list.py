"""What the data sets of UAVM have in common: clips in json, classes in csv, targets, and random choices."""
from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.dataset import force_full_init

from avmm.datasets.av_clip_dataset import AVClipDataset
from avmm.datasets.samplers.base import sample_rng
from avmm.utils import ConfigError
from avmm.utils.paths import resolve_data_root
from projects.uavm.uavm.datasets.clip_files import read_clips, read_labels
from projects.uavm.uavm.datasets.streams import DrawStreams, GlobalStreams, check_randomness
from projects.uavm.uavm.datasets.targets import LabelTable


class ClipListDataset(AVClipDataset):
    """Base of data sets over a list of clips in json.

    A subclass names the entries of a clip that it needs in :attr:`KEYS`; the name of a clip is that of the file of the
    first one.

    Args:
        ann_file: The list, relative to ``data_root``. Where it is absent, the one whose name ends in ``_2`` is taken:
            both names are in use for the published lists.
        label_file: The classes, relative to ``data_root``.
        mixup: Probability that a clip is mixed with another one.
        label_smooth: Smoothing ε of the targets.
        randomness: ``'draw'`` takes a generator that follows from seed, epoch and place; ``'global'`` the global
            generators in the order of the reference program.
        data_root: Folder of the data set; a leading ``data`` is replaced by ``$AVMM_DATA``.
        **kwargs: ``split``, ``val_fraction``, ``allowed_roots``, ``on_error``, ``test_mode`` and more of
            :class:`~avmm.datasets.AVClipDataset`. Absolute paths in a list are read under ``allowed_roots`` alone.

    Raises:
        DataError: If a file is missing or wrong, or a label is not in the list of classes.
        ConfigError: If an option has no such value.
    """

    KEYS: tuple[str, ...] = ()

    def __init__(self, ann_file: str, label_file: str, mixup: float = 0.0, label_smooth: float = 0.0,
                 randomness: str = 'draw', data_root: str = '', **kwargs):
        for name, value in (('mixup', mixup), ('label_smooth', label_smooth)):
            if not 0 <= value <= 1:
                raise ConfigError(f'{type(self).__name__}.{name} must lie in 0 to 1, got {value}')
        root = resolve_data_root(data_root)
        self.mixup, self.label_smooth = mixup, label_smooth
        self.randomness = check_randomness(randomness)
        self.label_list = read_labels(root / label_file)
        self._table: LabelTable | None = None
        self._names: list[str] = []
        super().__init__(ann_file=_with_alias(root, ann_file), data_root=data_root, classes=self.label_list.names,
                         **kwargs)

    def load_clips(self) -> list[dict]:
        """Clips of the list, ``{'sample_id', 'gt_label', 'numbers', 'paths'}``."""
        clips = []
        for number, clip in enumerate(read_clips(self.ann_file, ('labels', *self.KEYS))):
            numbers = self.label_list.numbers(clip['labels'], f'{self.ann_file}: clip {number}')
            clips.append(dict(sample_id=Path(clip[self.KEYS[0]]).stem, numbers=numbers,
                              gt_label=numbers[0] if len(numbers) == 1 else tuple(numbers),
                              paths=[clip[key] for key in self.KEYS]))
        return clips

    def _held_out_or_kept(self, clips: list[dict]) -> list[dict]:
        # Each class is split for itself; of several, the first counts.
        whole = [clip['gt_label'] for clip in clips]
        for clip in clips:
            clip['gt_label'] = clip['numbers'][0]
        kept = super()._held_out_or_kept(clips)
        for clip, label in zip(clips, whole, strict=True):
            clip['gt_label'] = label
        return kept

    # What is known without loading ---------------------------------------------------------------------------------

    @property
    @force_full_init
    def table(self) -> LabelTable:
        """Class numbers and targets of all clips."""
        if self._table is None:
            infos = [self._raw_info(i) for i in range(len(self))]
            self._table = LabelTable([info['numbers'] for info in infos], len(self.label_list), self.label_smooth)
            self._names = [info['sample_id'] for info in infos]
        return self._table

    @property
    def names(self) -> list[str]:
        """Name of every clip ``(N,)``."""
        return self._names if self._table is not None or self.table else self._names

    @property
    def labels(self) -> np.ndarray | None:
        """Class number of every clip ``(N,)``, int64; None if some have several."""
        counts = self.table._counts
        return self.table._flat if (counts == 1).all() else None

    def get_cat_ids(self, idx: int) -> list[int]:
        """Class numbers of one clip."""
        return self.table.of(int(idx))

    def samples_changed(self) -> None:
        """Forget the table of labels."""
        self._table = None

    # Samples -------------------------------------------------------------------------------------------------------

    def label_of(self, index: int) -> int | tuple[int, ...]:
        """Class number of a clip, or the tuple of its numbers."""
        numbers = self.table.of(index)
        return numbers[0] if len(numbers) == 1 else tuple(numbers)

    def path_of(self, index: int, place: int) -> str:
        """The checked path of the file that ``KEYS[place]`` of a clip names.

        Raises:
            DataError: If it leads out of ``data_root`` and ``allowed_roots``.
        """
        return self._inside(self._raw_info(index)['paths'][place])

    def streams(self, idx: int) -> GlobalStreams:
        """Where the random choices of a draw come from."""
        return GlobalStreams() if self.randomness == 'global' else DrawStreams(sample_rng(idx))

    def choose_mixture(self, streams: GlobalStreams) -> tuple[int, float] | None:
        """``(partner, share of the first clip)``, or None for a clip that is not mixed."""
        if streams.chance() >= self.mixup:
            return None
        return streams.partner(len(self)), streams.weight()

    def target_of(self, index: int, mixture: tuple[int, float] | None) -> np.ndarray:
        """Target of a clip ``(C,)``, float32."""
        if mixture is None:
            return self.table.targets([index])[0]
        return self.table.targets([index], [mixture[0]], [mixture[1]])[0]


def _with_alias(root: Path, ann_file: str | os.PathLike) -> str:
    name = os.fspath(ann_file)
    other = f'{name.removesuffix(".json")}_2.json'
    return other if not (root / name).exists() and (root / other).exists() else name


def checked_modalities(modalities: Sequence[str]) -> tuple[str, ...]:
    """``modalities`` if they are ``'audio'``, ``'visual'`` or both.

    Raises:
        ConfigError: If they are not.
    """
    if not modalities or set(modalities) - {'audio', 'visual'}:
        raise ConfigError(f"modalities are 'audio' and 'visual', got {list(modalities)}")
    return tuple(modalities)
