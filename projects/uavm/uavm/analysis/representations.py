"""Features of every layer, for every clip, in one pass."""
from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from avmm.utils.errors import ConfigError, DataError

if TYPE_CHECKING:
    from projects.uavm.uavm.models import FeatureTransformer

#: Names of the modalities in the files of the published program.
OFFICIAL = {'audio': 'audio', 'visual': 'video'}


@dataclass
class Batch:
    """Features of some clips.

    Attributes:
        feats: ``{modality: {layer: (B, D)}}``, means over the steps; the last layer has the logits.
        labels: First class of each clip ``(B,)``.
        names: Names of the clips ``(B,)``.
    """
    feats: dict[str, dict[int, Tensor]]
    labels: list[int]
    names: list[str]


@torch.no_grad()
def layers_of(model: FeatureTransformer, loader: Iterable) -> Iterator[Batch]:
    """The layers of a model in evaluation mode, batch by batch: one forward of each modality."""
    for batch in loader:
        data = model.data_preprocessor(batch, False)
        feats = model.layer_feats(data['inputs'])
        feats = {m: {k: x.mean(1) if x.dim() == 3 else x for k, x in layers.items()}
                 for m, layers in feats.items() if m in OFFICIAL}
        samples = list(data['data_samples'])
        labels = [s.gt_label if isinstance(s.gt_label, int) else s.gt_label[0] for s in samples]
        yield Batch(feats, labels, [str(s.get('sample_id', '')) for s in samples])


class Representations:
    """Features ``(N, D)`` of clips by layer and modality, in memory or in the files of :func:`dump`."""

    def __init__(self, arrays: dict[tuple[str, int], np.ndarray], labels: np.ndarray):
        self.arrays, self.labels = arrays, labels

    @property
    def layers(self) -> list[int]:
        """Numbers of the layers, the logits last."""
        return sorted({layer for _, layer in self.arrays})

    def pair(self, layer: int) -> tuple[np.ndarray, np.ndarray]:
        """Features of a layer, of audio and of video."""
        return self.arrays['audio', layer], self.arrays['visual', layer]

    def accuracy(self) -> dict[str, float]:
        """Accuracy of the logits of each modality, and of their sum."""
        audio, visual = self.pair(self.layers[-1])
        return {name: float(np.mean(logits.argmax(1) == self.labels))
                for name, logits in (('audio', audio), ('visual', visual), ('joint', audio + visual))}


def collect(model: FeatureTransformer, loader: Iterable) -> Representations:
    """All layers in memory; for a large split, :func:`dump` them."""
    parts: dict[tuple[str, int], list[np.ndarray]] = {}
    labels: list[int] = []
    for batch in layers_of(model, loader):
        labels += batch.labels
        for m, layers in batch.feats.items():
            for k, x in layers.items():
                parts.setdefault((m, k), []).append(x.float().cpu().numpy())
    if not labels:
        raise DataError('the split has no clips')
    return Representations({key: np.concatenate(values) for key, values in parts.items()}, np.array(labels))


def dump(model: FeatureTransformer, loader: Iterable, count: int, folder: str | os.PathLike,
         overwrite: bool = False) -> Representations:
    """Write ``<layer>/audio_rep_<layer>.npy`` and ``<layer>/video_rep_<layer>.npy`` ``(N, D)``, float32.

    The rows go straight to the files, so that memory holds one batch. The folder appears once it is whole.

    Args:
        model: In evaluation mode.
        loader: Gives the clips.
        count: Number N of clips.
        folder: Where to write.
        overwrite: Whether a folder that is there is replaced.

    Raises:
        ConfigError: If the folder is there.
    """
    folder = Path(folder)
    if folder.exists() and not overwrite:
        raise ConfigError(f'{folder} exists; choose another folder or pass --overwrite')
    unfinished = folder.with_name(f'.{folder.name}.unfinished')
    shutil.rmtree(unfinished, ignore_errors=True)
    files: dict[tuple[str, int], np.memmap] = {}
    labels: list[int] = []
    for batch in layers_of(model, loader):
        first, last = len(labels), len(labels) + len(batch.labels)
        for m, layers in batch.feats.items():
            for k, x in layers.items():
                if (m, k) not in files:
                    path = _file(unfinished, m, k)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    files[m, k] = np.lib.format.open_memmap(path, 'w+', np.float32, (count, x.shape[1]))
                files[m, k][first:last] = x.float().cpu().numpy()
        labels += batch.labels
    if len(labels) != count:
        raise DataError(f'{count} clips were expected, {len(labels)} came')
    for values in files.values():
        values.flush()
    files.clear()
    np.save(unfinished / 'labels.npy', np.array(labels))
    if folder.exists():
        shutil.rmtree(folder)
    os.replace(unfinished, folder)
    return read_dump(folder)


def read_dump(folder: str | os.PathLike) -> Representations:
    """What :func:`dump` has written, or the published program, which wrote no labels; mapped into memory.

    Raises:
        DataError: If there is nothing of the kind.
    """
    folder = Path(folder)
    arrays = {}
    for m, name in OFFICIAL.items():
        for path in folder.glob(f'*/{name}_rep_*.npy'):
            arrays[m, int(path.stem.rpartition('_')[2])] = np.load(path, mmap_mode='r', allow_pickle=False)
    if not arrays or len({len(values) for values in arrays.values()}) != 1:
        raise DataError(f'{folder}: holds no <layer>/audio_rep_<layer>.npy and video_rep_<layer>.npy of one length')
    labels = folder / 'labels.npy'
    count = len(next(iter(arrays.values())))
    return Representations(arrays, np.load(labels) if labels.is_file() else np.full(count, -1))


def _file(folder: Path, modality: str, layer: int) -> Path:
    return folder / str(layer) / f'{OFFICIAL[modality]}_rep_{layer}.npy'
