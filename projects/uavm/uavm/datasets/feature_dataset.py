"""Features of clips: a file for each, or all of them packed."""
from __future__ import annotations

import functools
import io
import math
import os
from collections.abc import Sequence

import numpy as np
import torch
from mmengine.dataset import force_full_init
from torch import Tensor

from avmm.datasets.feature_store import FeatureStore
from avmm.datasets.samplers.base import sample_rng
from avmm.registry import DATASETS
from avmm.utils import ConfigError, DataError
from avmm.utils.batch_buffers import BatchBuffers
from avmm.utils.paths import resolve_data_root
from projects.uavm.uavm.datasets.clip_list import ClipListDataset, checked_modalities
from projects.uavm.uavm.datasets.targets import SampleBatch, make_sample

# Bytes before the numbers of a small NumPy file.
_HEADER = 128
JSON_KEYS = {'audio': 'afeat', 'visual': 'vfeat'}


@DATASETS.register_module()
class UAVMFeatureDataset(ClipListDataset):
    """Features of UAVM: a row of 1024 numbers for each third of a second of sound and for each frame.

    The list has the form of the published ones, with a NumPy file for each modality of a clip::

        {"data": [{"labels": "vgg_3", "afeat": "vgg_feat/audio_feat_convnext_2/a.npy",
                   "vfeat": "vgg_feat/video_feat_convnext_2/a.npy"}]}

    ``tools/dataset_converters/pack_features.py`` packs these files into one
    :class:`~avmm.datasets.feature_store.FeatureStore`, whose items have the names of the files. Where it has the
    lengths of the rows as well (``audio_norm``, ``visual_norm``), batches need not compute them.

    With ``mode='item'`` each clip is finished here (UAVM, Gong et al., 2022, section III): padded with zeros or cut to
    ``seq_len`` rows, every row divided by its length, mixed, and both modalities rolled by one number of steps. Each
    sample is ``{'inputs': {'audio': (T, D), 'visual': (T, D)}, 'data_samples': AVDataSample}``, float32.

    With ``mode='batch'`` the rows of a batch are read from the store as they are, and the model's
    :class:`~projects.uavm.uavm.preprocessor.UAVMDataPreprocessor` does the same to the whole batch on the device. The
    random choices have the same distribution; those of a batch follow from its first draw.

    Args:
        ann_file: List of clips, relative to ``data_root``.
        label_file: Classes, relative to ``data_root``.
        store: Packed features, relative to ``data_root``; None reads a file for each clip.
        mode: ``'item'`` or ``'batch'``; the latter needs a ``store``.
        modalities: What to load.
        seq_len: Rows T of each modality; a number, or ``{modality: T}``.
        feat_norm: Whether rows are divided by their length.
        noise: Whether clips are rolled in time.
        **kwargs: Arguments of :class:`~projects.uavm.uavm.datasets.clip_list.ClipListDataset`.
    """

    #: Clips are rolled by -15 to 14 rows.
    MAX_SHIFT = 15

    def __init__(self, ann_file: str, label_file: str, store: str | None = None, mode: str = 'item',
                 modalities: Sequence[str] = ('audio', 'visual'), seq_len: int | dict[str, int] = 30,
                 feat_norm: bool = True, noise: bool = False, data_root: str = '', **kwargs):
        if mode not in ('item', 'batch'):
            raise ConfigError(f"mode must be 'item' or 'batch', got {mode!r}")
        if mode == 'batch' and store is None:
            raise ConfigError("mode='batch' needs packed features: name them in store; "
                              'tools/dataset_converters/pack_features.py makes them')
        self.modalities = checked_modalities(modalities)
        self.KEYS = tuple(JSON_KEYS[name] for name in self.modalities)
        self.seq_len = {m: seq_len if isinstance(seq_len, int) else seq_len[m] for m in self.modalities}
        if mode == 'batch' and kwargs.get('randomness', 'draw') == 'global':
            raise ConfigError("randomness='global' is the order of single clips; it needs mode='item'")
        self.mode, self.feat_norm, self.noise = mode, feat_norm, noise
        self._store_path = None if store is None else os.fspath(resolve_data_root(data_root) / store)
        self._buffers = BatchBuffers()
        super().__init__(ann_file, label_file, data_root=data_root, **kwargs)

    def full_init(self) -> None:
        """Read the list, and find its clips in the store."""
        if not self._fully_initialized:
            super().full_init()
            self.samples_changed()

    def samples_changed(self) -> None:
        """Find the clips in the store."""
        super().samples_changed()
        self._arrays, self._norms, self._rows = {}, {}, None
        if self._store_path is not None:
            store = FeatureStore(self._store_path)
            self._rows = store.find(self.names)
            self._arrays = {name: store[name] for name in self.modalities}
            # A few bytes a row; those of a whole training set fit into memory.
            self._norms = {name: store[f'{name}_norm'].rows.gather(range(len(store[f'{name}_norm'].rows)))
                           for name in self.modalities if self.mode == 'batch' and f'{name}_norm' in store}

    # Single clips --------------------------------------------------------------------------------------------------

    def prepare_data(self, idx: int) -> dict:
        """One finished clip."""
        index, streams = int(idx), self.streams(idx)
        mixture = self.choose_mixture(streams)
        inputs = self._features(index)
        if mixture is not None:
            other, share = self._features(mixture[0]), mixture[1]
            inputs = {name: value.mul_(share).add_(other[name].mul_(1 - share)) for name, value in inputs.items()}
        target = self.target_of(index, mixture)
        if self.noise:
            shift = streams.shift(self.MAX_SHIFT)
            inputs = {name: torch.roll(value, shift, 0) for name, value in inputs.items()}
        return dict(inputs=inputs, data_samples=make_sample(self.names[index], self.label_of(index),
                                                            torch.from_numpy(target)))

    def _features(self, index: int) -> dict[str, Tensor]:
        features = {}
        for place, name in enumerate(self.modalities):
            stored = torch.from_numpy(self._array(index, place, name))[:self.seq_len[name]]
            value = torch.zeros(self.seq_len[name], stored.shape[1])
            value[:len(stored)] = stored
            features[name] = torch.nn.functional.normalize(value, dim=1, out=value) if self.feat_norm else value
        return features

    def _array(self, index: int, place: int, name: str) -> np.ndarray:
        if self._rows is not None:
            return self._arrays[name][int(self._rows[index])]
        return read_features(self.path_of(index, place))

    # Whole batches -------------------------------------------------------------------------------------------------

    @force_full_init
    def __getitems__(self, indices: Sequence[int]) -> dict | list[dict]:
        """A batch as it is stored, with what is to be done to it; in ``mode='item'`` a list of finished clips.

        Returns:
            ``inputs`` has for each modality the rows of B clips and of their M partners one after the other
            ``(rows, D)``; ``plan`` their ``counts`` ``{modality: (B + M,)}``, and the ``places`` ``(M,)`` and
            ``weights`` ``(M,)`` of the mixtures, the ``shifts`` ``(B,)``, ``seq_len``, ``feat_norm`` and, if they are
            stored, the lengths of the rows as ``norms``.
        """
        if self.mode == 'item':
            return [self[i] for i in indices]
        rng, own = sample_rng(indices[0]), np.asarray(indices, np.int64)
        places = np.flatnonzero(rng.random(len(own)) < self.mixup)
        partners = rng.integers(len(self), size=len(places))
        weights = rng.beta(10, 10, len(places))
        shifts = rng.integers(-self.MAX_SHIFT, self.MAX_SHIFT, len(own)) if self.noise else np.zeros(len(own), int)
        rows = self._rows[np.concatenate([own, partners])]
        inputs, counts = {}, {}
        for name, array in self._arrays.items():
            inputs[name], counts[name] = self._read(name, array, rows)
        target = self._buffers.empty('target', (len(own), self.table.num_classes), 'float32')
        target.numpy()[:] = self.table.targets(own, partners, weights, places)
        samples = SampleBatch([self.names[i] for i in own], [self.label_of(i) for i in own], target)
        norms = {name: self._norms[name][self._arrays[name].row_numbers(rows)]
                 for name in self._norms if self.feat_norm}
        plan = dict(counts=counts, norms=norms, places=places, weights=weights.astype(np.float32), shifts=shifts,
                    seq_len=self.seq_len, feat_norm=self.feat_norm)
        return dict(inputs=inputs, plan=plan, data_samples=samples)

    def _read(self, name: str, array, rows: np.ndarray) -> tuple[Tensor, np.ndarray]:
        """``(rows of all clips, D)`` in the type of the store, and the number of each clip's ``(B,)``."""
        if array.offsets is None:
            length, *row = array.shape
            out = self._buffers.empty(name, (len(rows) * length, *row), array.dtype)
            array.gather(rows, out.numpy().reshape(len(rows), length, *row))
            return out, np.full(len(rows), length)
        counts = array.lengths[rows]
        out = self._buffers.empty(name, (int(counts.sum()), *array.shape[1:]), array.dtype)
        array.gather(rows, out)
        return out, counts


def read_features(path: str) -> np.ndarray:
    """Read the features of one clip ``(rows, D)`` from a NumPy file.

    Raises:
        DataError: If the file is missing or damaged, has objects in it, or another shape.
    """
    try:
        value = _load(path)
    except FileNotFoundError:
        raise DataError(f'{path}: the file is missing') from None
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f'{path}: cannot be read as a NumPy file ({" ".join(str(error).split())})') from None
    if not isinstance(value, np.ndarray) or value.ndim != 2 or value.dtype.kind != 'f' or not len(value):
        shape = f'{value.dtype} {value.shape}' if isinstance(value, np.ndarray) else 'an archive'
        raise DataError(f'{path}: features are numbers of shape (rows, D), got {shape}')
    return value


def _load(path: str) -> np.ndarray:
    """``np.load``; headers, which take it as long as the numbers, are understood once for all files that share one."""
    with open(path, 'rb', buffering=0) as file:
        start = file.read(_HEADER)
        form = _form(start)
        if form is None:
            return np.load(path, allow_pickle=False)
        shape, dtype = form
        there = (os.fstat(file.fileno()).st_size - _HEADER) // dtype.itemsize
        if there < math.prod(shape):
            raise EOFError(f'{there} numbers of {shape} are there')
        return np.fromfile(file, dtype, math.prod(shape)).reshape(shape)


@functools.lru_cache(maxsize=256)
def _form(start: bytes) -> tuple[tuple[int, ...], np.dtype] | None:
    """Shape and type of a file that begins so, or None where it is of another kind than nearly all are."""
    content = io.BytesIO(start)
    if not start.startswith(b'\x93NUMPY\x01\x00') or int.from_bytes(start[8:10], 'little') != _HEADER - 10:
        return None
    np.lib.format.read_magic(content)
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(content)
    return None if fortran or dtype.hasobject else (shape, dtype)
