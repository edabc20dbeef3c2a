"""AVE: audio-visual events in videos of ten seconds, as features of every second."""
from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence

import numpy as np
from mmengine.dataset import force_full_init
from torch import Tensor

from avmm.datasets.ave_features import STORAGES, VISUALS, AVEFeatures
from avmm.datasets.ave_files import (
    AVE_CLASSES,
    BACKGROUND,
    NUM,
    check_one_hot,
    read_array,
    read_order,
)
from avmm.datasets.ave_labels import LABEL_SOURCES, read_labels
from avmm.datasets.subsets import SummarisedDataset
from avmm.registry import DATASETS
from avmm.structures import AVDataSample
from avmm.utils import ConfigError
from avmm.utils.batch_buffers import BatchBuffers
from avmm.utils.paths import resolve_data_root

SETTINGS = ('supervised', 'weak', 'matching')
SPLITS = ('train', 'val', 'test')
DTYPES = (None, 'float16', 'float32', 'float64')


@DATASETS.register_module()
class AVEDataset(SummarisedDataset):
    """AVE: 4143 videos of ten seconds, each with one event that is both seen and heard, of 28 classes.

    The published files (Tian et al., "Audio-Visual Event Localization in Unconstrained Videos", ECCV 2018) lie in one
    folder; each holds one HDF5 data set, ``avadataset``, those of the orders ``order``::

        visual_feature.h5        (4143, 10, 7, 7, 512)  pool5 maps of VGG-19, a map for every second, float64
        audio_feature.h5         (4143, 10, 128)        VGGish embeddings, float64
        labels.h5                (4143, 10, 29)         one-hot class of every second; the last one is background
        mil_labels.h5            (4143, 29)             one-hot class of the video
        labels_closs.h5          (4143, 10)             1 where the event is
        visual_feature_noisy.h5, audio_feature_noisy.h5, labels_noisy.h5    178 videos of background alone
        visual_feature_vec.h5    (4143, 10, 512)        spatial means of the maps
        {train,val,test}_order.h5, {train,val,test}_order_match.h5          rows of a split
        Annotations.txt          a line a row: Church bell&RUhOCu3LNXM&good&0&10

    Labels that are absent follow from Annotations.txt. ``tools/dataset_converters/ave.py`` writes them, and packs the
    features into ``features.h5`` and ``features_noisy.h5`` (:class:`~avmm.datasets.feature_store.FeatureStore`). A
    batch is read at once, straight into memory that crosses from a worker without a copy; nothing else of the features
    enters the memory of a process.

    Each sample is ``{'inputs': {'audio': (S, 128), 'visual': (S, h, w, 512)}, 'data_samples': AVDataSample}``; number
    of segments and grid are those of the files.

    Args:
        data_root: Folder of the data set; a leading ``data`` is replaced by ``$AVMM_DATA``.
        split: ``'train'``, ``'val'`` or ``'test'``.
        setting: ``'supervised'`` has the class of every segment; ``'weak'`` trains on the class of the video alone,
            and is evaluated on segments; ``'matching'``, for localisation of one modality by the other, has a split of
            its own, and tells which segments the event covers.
        order_file: Order file to use in the place of the one of split and setting, relative to ``data_root``.
        storage: ``'h5'`` for the published files, ``'store'`` for packed ones, ``'auto'`` for packed ones if they are
            there.
        dtype: Type of the features; None takes them as they are stored.
        modalities: ``'audio'``, ``'visual'`` or both.
        visual: ``'maps'``, or ``'vectors'`` ``(S, 512)`` for their spatial means. Without a file of these the means
            are computed, which reads the maps. ``'auto'`` takes vectors in ``'matching'`` and maps else.
        background: Whether the videos of background are appended in weak training.
        label_source: ``'h5'``, ``'annotations'``, or ``'auto'`` for HDF5 files where they are there.
        metainfo: More meta information of mmengine.
        indices: Which samples to use, as in mmengine.
        test_mode: Whether the data set is for evaluation.
        serialize_data: Whether the list is held as one block of bytes, which workers share.
        lazy_init: Whether files are opened at first use.

    Raises:
        ConfigError: If an option has no such value.
        DataError: If a file is missing or damaged, or files do not fit each other.
    """

    METAINFO = {'classes': (*AVE_CLASSES, 'background')}

    def __init__(self, data_root: str = 'data/ave', split: str = 'train', setting: str = 'supervised',
                 order_file: str | None = None, storage: str = 'auto', dtype: str | None = 'float32',
                 modalities: Sequence[str] = ('audio', 'visual'), visual: str = 'auto', background: bool = True,
                 label_source: str = 'auto', metainfo: dict | None = None, indices=None, test_mode: bool = False,
                 serialize_data: bool = False, lazy_init: bool = False):
        for name, value, allowed in [('split', split, SPLITS), ('setting', setting, SETTINGS),
                                     ('storage', storage, STORAGES), ('dtype', dtype, DTYPES),
                                     ('visual', visual, ('auto', *VISUALS)),
                                     ('label_source', label_source, LABEL_SOURCES)]:
            if value not in allowed:
                raise ConfigError(f'{name} must be one of {", ".join(map(str, allowed))}, got {value!r}')
        if not modalities or set(modalities) - {'audio', 'visual'}:
            raise ConfigError(f"modalities are 'audio' and 'visual', got {list(modalities)}")
        self.split, self.setting, self.storage, self.dtype = split, setting, storage, dtype
        self.modalities, self.label_source = tuple(modalities), label_source
        self.visual = visual if visual != 'auto' else ('vectors' if setting == 'matching' else 'maps')
        self.weak_training = setting == 'weak' and split == 'train'
        self.background = background and self.weak_training
        self.order_file = order_file or f'{split}_order{"_match" if setting == "matching" else ""}.h5'
        self._buffers = BatchBuffers()
        super().__init__(ann_file='', metainfo=metainfo, data_root=os.fspath(resolve_data_root(data_root)),
                         data_prefix={}, indices=indices, serialize_data=serialize_data, pipeline=[],
                         test_mode=test_mode, lazy_init=lazy_init)

    # Lists ---------------------------------------------------------------------------------------------------------

    def full_init(self) -> None:
        """Open the files and read the labels."""
        if not self._fully_initialized:
            super().full_init()
            self.samples_changed()

    def load_data_list(self) -> list[dict]:
        """Samples of the split: ``sample_id``, ``row``, ``background`` (whose files the row is in), ``gt_label``."""
        self._features = AVEFeatures(self.data_root, self.storage, self.modalities, self.visual, self.background)
        rows, segments = self._features.rows, self._features.segments
        labels = read_labels(self.data_root, rows, segments, self.label_source, not self.weak_training,
                             self.setting == 'matching')
        self._segments, self._mask = labels.segments, labels.mask
        order = read_order(os.path.join(self.data_root, self.order_file), rows)
        samples = [dict(sample_id=labels.names[row], row=row, background=False, gt_label=int(labels.classes[row]))
                   for row in order.tolist()]
        if self.background:
            samples += [dict(sample_id=f'background_{row:04d}', row=row, background=True, gt_label=label)
                        for row, label in enumerate(self._background_classes())]
        return samples

    def _background_classes(self) -> list[int]:
        path = os.path.join(self.data_root, 'labels_noisy.h5')
        count = self._features.background_rows
        if not os.path.isfile(path):
            return [BACKGROUND] * count
        classes = check_one_hot(read_array(path), path, 2)
        self._features.check_rows(path, len(classes), background=True)
        return classes.tolist()

    def samples_changed(self) -> None:
        """Make arrays over the samples, so that a batch is looked up without touching the list."""
        infos = [super(AVEDataset, self).get_data_info(i) for i in range(len(self))]
        self._rows = np.array([info['row'] for info in infos], np.int64)
        self._is_background = np.array([info['background'] for info in infos], bool)
        self._labels = np.array([info['gt_label'] for info in infos], np.int64)
        self._names = [info['sample_id'] for info in infos]

    @property
    @force_full_init
    def labels(self) -> np.ndarray:
        """Event class of every sample ``(N,)``, int64; 28 for videos of background."""
        return self._labels

    def get_cat_ids(self, idx: int) -> list[int]:
        """Class numbers of one sample."""
        return [int(self.labels[idx])]

    @force_full_init
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that name the set of samples and labels, whatever their order."""
        lines = [f'{name}\t{row}\t{label}\t{self._segments_of(i)}\n'
                 for i, (name, row, label) in enumerate(zip(self._names, self._rows, self._labels, strict=True))]
        return hashlib.sha256(''.join(sorted(lines)).encode()).hexdigest()[:16]

    def _segments_of(self, index: int) -> list[int] | None:
        if self._segments is None or self._is_background[index]:
            return None
        return self._segments[self._rows[index]].tolist()

    # Samples -------------------------------------------------------------------------------------------------------

    @force_full_init
    def __getitems__(self, indices: Sequence[int]) -> dict:
        """A whole batch: ``{'inputs': {modality: (B, S, ...)}, 'data_samples': [AVDataSample]}``."""
        indices = np.asarray(indices, dtype=np.int64)
        return dict(inputs=self._inputs(indices), data_samples=[self._sample(i) for i in indices.tolist()])

    @force_full_init
    def __getitem__(self, idx: int) -> dict:
        """One sample: ``{'inputs': {modality: (S, ...)}, 'data_samples': AVDataSample}``."""
        index = int(idx) + (len(self) if idx < 0 else 0)
        inputs = self._inputs(np.array([index]))
        return dict(inputs={name: value[0] for name, value in inputs.items()}, data_samples=self._sample(index))

    def prepare_data(self, idx: int) -> dict:
        """As ``dataset[idx]``."""
        return self[idx]

    def _inputs(self, indices: np.ndarray) -> dict[str, Tensor]:
        rows, background = self._rows[indices], self._is_background[indices]
        inputs = {}
        for name, feature in self._features.items():
            dtype = self.dtype or feature.dtype
            inputs[name] = self._buffers.empty(name, (len(rows), *feature.shape), dtype)
            feature.read(rows, background, inputs[name])
        return inputs

    def _sample(self, index: int) -> AVDataSample:
        row, sample = int(self._rows[index]), AVDataSample()
        # One by one, as the constructor copies them deeply.
        for name, value in (('sample_id', self._names[index]), ('row', row), ('num_classes', NUM)):
            sample.set_field(value, name, field_type='metainfo')
        sample.set_gt_label(int(self._labels[index]))
        if self._segments is not None:
            sample.set_gt_segments(self._segments[row].copy())
        if self._mask is not None:
            sample.set_gt_mask(self._mask[row].copy())
        return sample
