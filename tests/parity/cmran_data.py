"""Cases of ``cmran`` about data: files, labels, and the batches of AVEL."""
from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from torch.utils.data import DataLoader

from avmm.datasets import AVEDataset, DefaultSampler, av_collate
from avmm.datasets.ave_files import BACKGROUND, one_hot, parse_annotations, video_classes

Arrays = dict[str, np.ndarray]


def labels(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> Arrays:
    """Annotation lines to labels."""
    known = parse_annotations(inputs['lines'].tolist())
    return dict(closs=known.mask().astype('float32'), mil=one_hot(known.classes), labels=one_hot(known.segments()))


def supervised_targets(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> Arrays:
    """Labels of segments to the mask of the event and the class of the video."""
    segments = inputs['labels'].argmax(-1)
    return dict(event=(segments != BACKGROUND).astype('float64'), video_class=video_classes(segments))


def datasets(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> Arrays:
    """Items of both settings, and the batches of AVEL, from files in the published form."""
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder), inputs, meta['options']['file_dtype'])
        outputs: Arrays = {}
        for setting, short in (('supervised', 'supv'), ('weak', 'weak')):
            for split in ('train', 'test'):
                data = AVEDataset(folder, split, setting, dtype=None)
                batch = data.__getitems__(range(len(data)))
                outputs.update((f'{short}_{split}_{name}', value) for name, value in _items(batch).items())
            data = AVEDataset(folder, 'train', setting)
            loader = DataLoader(data, meta['options']['avel_batch'], drop_last=True, collate_fn=av_collate,
                                sampler=DefaultSampler(data, seed=0, shuffle=False))
            batches = [_items(batch) for batch in loader]
            outputs.update((f'avel_{short}_{name}', np.stack([batch[name] for batch in batches]))
                           for name in batches[0])
        return outputs


def _write(folder: Path, inputs: Arrays, file_dtype: str) -> None:
    for name, values in inputs.items():
        with h5py.File(folder / f'{name}.h5', 'w') as file:
            key = 'order' if name.endswith('order') else 'avadataset'
            file[key] = values.astype(file_dtype) if 'feature' in name else values


def _items(batch: dict) -> Arrays:
    visual, audio = batch['inputs']['visual'].double(), batch['inputs']['audio']
    samples = batch['data_samples']
    classes = [s.gt_segments if 'gt_segments' in s else s.gt_label for s in samples]
    return dict(visual_sum=visual.flatten(1).sum(1).numpy(), audio=audio[..., ::16].numpy(),
                label=one_hot(np.array(classes)))


PARTS = {'labels': labels, 'supv_targets': supervised_targets, 'datasets': datasets}
