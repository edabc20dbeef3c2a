"""Clips of the audio-visual zero-shot benchmark, read in batches from a packed file."""
from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.dataset import force_full_init
from torch import Tensor

from avmm.datasets.subsets import SummarisedDataset
from avmm.registry import DATASETS
from avmm.structures import AVDataSample
from avmm.utils import ConfigError, DataError
from avmm.utils.batch_buffers import BatchBuffers
from avmm.utils.paths import resolve_data_root
from projects.tcaf.tcaf.class_splits import SPLITS, read_class_split
from projects.tcaf.tcaf.collation import Collation, read_padded
from projects.tcaf.tcaf.negatives import GlobalDraws, NegativePairs, OwnDraws
from projects.tcaf.tcaf.packing import PackedClips
from projects.tcaf.tcaf.word_vectors import class_vectors, find_word_vectors, read_word_vectors

MODALITIES = ('audio', 'visual')


@DATASETS.register_module()
class GZSLDataset(SummarisedDataset):
    """UCF-GZSL, ActivityNet-GZSL or VGGSound-GZSL: clips of classes of which some are never trained on.

    The benchmark is that of Mercea et al., "Audio-visual Generalised Zero-shot Learning with Cross-modal Attention and
    Language" (CVPR 2022) and "Temporal and cross-modal attention for audio-visual zero-shot learning" (ECCV 2022). The
    folder of a data set::

        class-split/all_class.txt                          a class a line; its number is its place among the sorted
        class-split/{ucf,...}_w2v_class_names.csv          original,manual: the phrase of its word vector
        class-split/{cls,main}_split/stage_1_train.txt     classes of a stage, a line each, and further stages
        features/<features>/text/word_embeddings_*.npy     dictionary from phrases to vectors (300,)
        features/<features>.h5                             packed features of all stages

    ``projects/tcaf/tools/pack_features.py`` packs the published ``features/<features>/{audio,video}``. Sequences or
    their means over time: the packed file knows which it holds.

    A batch of sequences is read straight into padded memory that crosses from a worker without a copy::

        inputs = {'audio': (B, Ta, Da), 'audio_mask': (B, Ta) 1 where valid, 'audio_time': (B, Ta) float64 s,
                  'visual': (B, Tv, Dv), 'visual_mask', 'visual_time', 'word': (B, 300)}

    and one of means ``{'audio': (B, Da), 'visual': (B, Dv), 'word': (B, 300)}``. With ``negatives``,
    ``inputs['negative']`` has the same of clips of other classes. ``gt_label`` is the number of the class.

    Args:
        data_root: Folder of the data set; a leading ``data`` is replaced by ``$AVMM_DATA``.
        features: Name of the features.
        split: ``'train'``, ``'val'``, ``'train_val'`` (both, for the second stage) or ``'test'``.
        class_split: ``'cls_split'`` or ``'main_split'``.
        word_order: Which vector a class gets: ``'manual_sorted'`` as published, where many classes get that of
            another one, or ``'by_class'`` for its own.
        word_vectors: File of the word vectors. Defaults to the one in ``text``, in ``data_root`` or above it.
        store: The packed file, relative to ``data_root``. Defaults to ``features/<features>.h5``.
        seq_len: How clips of a batch get one length: arguments of
            :class:`~projects.tcaf.tcaf.collation.Collation`.
        negatives: Whether every clip comes with one of another class: drawn anew in training, fixed in evaluation.
        draws: ``'sample'``, from the seed of each draw; ``'global'``, from the global streams of torch and NumPy as
            the published program has it.
        metainfo: More meta information of mmengine.
        indices: Which samples to use, as in mmengine.
        test_mode: Whether the data set is for evaluation.
        serialize_data: Whether the list is held as one block of bytes, which workers share.
        lazy_init: Whether the packed file is opened at first use.

    Attributes:
        class_words: Word vectors ``(C, 300)`` of the classes of the split, in the order of their numbers, float32.
        kind: ``'temporal'`` or ``'averaged'``.

    Raises:
        ConfigError: If an option has no such value.
        DataError: If a file is missing or damaged, or files do not fit each other.
    """

    def __init__(self, data_root: str = 'data/avgzsl/UCF', features: str = 'cls_features_non_averaged',
                 split: str = 'train', class_split: str = 'cls_split', word_order: str = 'manual_sorted',
                 word_vectors: str | None = None, store: str | None = None, seq_len: Mapping | None = None,
                 negatives: bool = False, draws: str = 'sample', metainfo: dict | None = None, indices=None,
                 test_mode: bool = False, serialize_data: bool = False, lazy_init: bool = False):
        root = resolve_data_root(data_root)
        self.split, self.features, self.negatives, self.draws = split, features, negatives, draws
        if split not in SPLITS:
            raise ConfigError(f'split must be one of {", ".join(SPLITS)}, got {split!r}')
        if draws not in ('sample', 'global'):
            raise ConfigError(f"draws must be 'sample' or 'global', got {draws!r}")
        self.collation = Collation(**(seq_len or {}))
        self.classes_of_all = read_class_split(root, class_split)
        self.store_path = root / (store or f'features/{features}.h5')
        path = resolve_data_root(word_vectors) if word_vectors else find_word_vectors(root, features)
        ids = self.classes_of_all.class_ids(split)
        #: Word vectors of all classes of the data set, by number.
        self.all_words = torch.from_numpy(class_vectors(read_word_vectors(path), self.classes_of_all, word_order))
        self.class_words = self.all_words[torch.from_numpy(ids)]
        named = dict(classes=[self.classes_of_all.names[i] for i in ids], class_ids=ids.tolist(),
                     seen_ids=self.classes_of_all.seen(split).tolist(),
                     unseen_ids=self.classes_of_all.unseen(split).tolist())
        self._buffers = BatchBuffers()
        super().__init__(ann_file='', metainfo={**named, **(metainfo or {})}, data_root=os.fspath(root),
                         data_prefix={}, indices=indices, serialize_data=serialize_data, pipeline=[],
                         test_mode=test_mode, lazy_init=lazy_init)

    # Lists ---------------------------------------------------------------------------------------------------------

    def full_init(self) -> None:
        """Open the packed file."""
        if not self._fully_initialized:
            super().full_init()
            self.samples_changed()

    def load_data_list(self) -> list[dict]:
        """Samples of the split: ``sample_id``, ``row`` of the packed file, ``gt_label``.

        Raises:
            DataError: If the packed file is missing, or has no clips of the split.
        """
        if not self.store_path.is_file():
            raise DataError(f'{self.store_path}: the packed features are missing; make them with '
                            f'projects/tcaf/tools/pack_features.py {Path(self.data_root, "features", self.features)}')
        packed = PackedClips(self.store_path)
        self.kind, self._arrays = packed.kind, {m: packed.store[m] for m in MODALITIES}
        # Features of classes that this split leaves out stay in the files, so their names have to be known only here.
        numbers = np.array([self.classes_of_all.number(name) for name in packed.classes])[packed.label]
        wanted = np.isin(numbers, self.metainfo['class_ids'])
        order = [np.flatnonzero((packed.stage == packed.stages.index(stage)) & wanted)
                 for stage in SPLITS[self.split] if stage in packed.stages]
        rows = np.concatenate(order) if order else np.zeros(0, np.int64)
        if not len(rows):
            raise DataError(f'{self.store_path}: no clips of {" or ".join(SPLITS[self.split])}')
        return [dict(sample_id=name, row=row, gt_label=label) for name, row, label in
                zip(packed.names(rows), rows.tolist(), numbers[rows].tolist(), strict=True)]

    def samples_changed(self) -> None:
        """Make arrays over the samples, so that a batch is looked up without touching the list."""
        infos = [super(GZSLDataset, self).get_data_info(i) for i in range(len(self))]
        self._rows = np.array([info['row'] for info in infos], np.int64)
        self._labels = np.array([info['gt_label'] for info in infos], np.int64)
        self._names = [info['sample_id'] for info in infos]
        fixed = self.split in ('val', 'test')
        self._pairs = NegativePairs(self._labels, fixed, self.draws == 'global') if self.negatives else None

    @property
    @force_full_init
    def labels(self) -> np.ndarray:
        """Class of every sample ``(N,)``, int64."""
        return self._labels

    @property
    @force_full_init
    def lengths(self) -> dict[str, np.ndarray]:
        """Steps of every sample ``{modality: (N,)}``; of sequences only."""
        return {m: array.lengths[self._rows] for m, array in self._arrays.items()}

    def get_cat_ids(self, idx: int) -> list[int]:
        """The class of one sample."""
        return [int(self.labels[idx])]

    @force_full_init
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that name the set of samples and labels, whatever their order."""
        lines = sorted(f'{name}\t{row}\t{label}\n'
                       for name, row, label in zip(self._names, self._rows, self._labels, strict=True))
        return hashlib.sha256(''.join(lines).encode()).hexdigest()[:16]

    # Samples -------------------------------------------------------------------------------------------------------

    @force_full_init
    def __getitems__(self, indices: Sequence[int]) -> dict:
        """A whole batch: ``{'inputs': {name: (B, ...)}, 'data_samples': [AVDataSample]}``."""
        numbers = np.array([int(i) for i in indices], np.int64)
        draws = GlobalDraws() if self.draws == 'global' else OwnDraws(indices)
        inputs = self._inputs(numbers, draws)
        if self._pairs is not None:
            inputs['negative'] = self._inputs(self._pairs.partners(numbers, draws), draws, 'negative_')
        return dict(inputs=inputs, data_samples=[self._sample(i) for i in numbers.tolist()])

    @force_full_init
    def __getitem__(self, idx: int) -> dict:
        """One sample, of its own length unless that is fixed."""
        index = idx if idx >= 0 else int(idx) + len(self)
        batch = self.__getitems__([index])
        return dict(inputs=_first(batch['inputs']), data_samples=batch['data_samples'][0])

    def prepare_data(self, idx: int) -> dict:
        """As ``dataset[idx]``."""
        return self[idx]

    def _inputs(self, numbers: np.ndarray, draws: OwnDraws | GlobalDraws, prefix: str = '') -> dict[str, Tensor]:
        items = self._rows[numbers]

        def empty(name: str, *shape: int, dtype: str = 'float32') -> Tensor:
            return self._buffers.empty(prefix + name, (len(items), *shape), dtype)

        inputs = {}
        if self.kind == 'averaged':
            for name, array in self._arrays.items():
                inputs[name] = array.gather(items, empty(name, *array.shape))
        else:
            window = self.collation.window(*(self._arrays[m].lengths[items] for m in ('audio', 'visual')), draws.crop)
            for name, array in self._arrays.items():
                length = window.length[name]
                inputs[name] = empty(name, length, *array.spec.row_shape)
                read_padded(array, items, window.starts[name], window.kept[name], inputs[name])
                inputs[f'{name}_mask'] = empty(f'{name}_mask', length)
                inputs[f'{name}_mask'].numpy()[:] = window.mask(name)
                inputs[f'{name}_time'] = empty(f'{name}_time', length, dtype='float64')
                inputs[f'{name}_time'].numpy()[:] = self.collation.times(name, length)
        words = self.all_words.numpy()
        inputs['word'] = empty('word', words.shape[1])
        np.take(words, self._labels[numbers], 0, out=inputs['word'].numpy())
        return inputs

    def _sample(self, index: int) -> AVDataSample:
        sample = AVDataSample()
        # One by one, as the constructor copies them deeply.
        sample.set_field(self._names[index], 'sample_id', field_type='metainfo')
        sample.set_field(len(self.classes_of_all.names), 'num_classes', field_type='metainfo')
        return sample.set_gt_label(int(self._labels[index]))


def _first(inputs: dict) -> dict:
    return {name: _first(value) if isinstance(value, dict) else value[0] for name, value in inputs.items()}
