"""Cases of ``dmin``: items of the data sets, and both metrics."""
from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from avmm.datasets import AVEDataset
from avmm.datasets.ave_files import one_hot
from avmm.evaluation.functional import (
    as_segment_labels,
    batch_segment_accuracy,
    event_class_labels,
    localize_by_logits,
    segment_accuracy,
)

Arrays = dict[str, np.ndarray]
FILES = {'visual': 'visual_feature', 'audio': 'audio_feature', 'visual_noisy': 'visual_feature_noisy',
         'audio_noisy': 'audio_feature_noisy', 'visual_vec': 'visual_feature_vec'}


def dataset(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> Arrays:
    """Every item of three data sets, from files in the published form."""
    outputs: Arrays = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, values in inputs.items():
            order = name.startswith('order')
            kind, _, split = name.partition('.')
            file = f'{split}_{kind}' if order else FILES.get(name, name)
            with h5py.File(Path(folder) / f'{file}.h5', 'w') as f:
                f['order' if order else 'avadataset'] = values.astype('float64') if name in FILES else values
        for setting, short in (('supervised', 'supervised'), ('weak', 'weak'), ('matching', 'match')):
            for split in ('train', 'test'):
                data = AVEDataset(folder, split, setting, dtype=None)
                outputs.update({f'{short}.{split}.{name}': value for name, value in items(data).items()})
    return outputs


def items(data: AVEDataset) -> Arrays:
    batch = data.__getitems__(range(len(data)))
    samples, sums = batch['data_samples'], {m: x.double().flatten(1).sum(1) for m, x in batch['inputs'].items()}
    labels = (np.stack([s.gt_mask for s in samples]).astype('float32') if 'gt_mask' in samples[0] else
              one_hot(np.array([s.gt_segments if 'gt_segments' in s else s.gt_label for s in samples])))
    return dict(len=np.int64(len(data)), labels=labels, visual_sum=sums['visual'].numpy(),
                audio_sum=sums['audio'].numpy())


def localization(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> Arrays:
    """Segment accuracy of both settings, of logits that are edited as the case says."""
    events, labels, classes = inputs['is_event'], inputs['labels'], inputs['event_class']
    events[:, 3] = 0
    even = np.arange(0, len(events), 2)
    for name in ('class_logits', 'weak_class_logits'):
        inputs[name][even, classes[even]] += 10
    inputs['weak_class_logits'][1, 28] += 20
    targets, outputs = as_segment_labels(labels), {}
    for setting, name in (('supervised', 'class_logits'), ('weak', 'weak_class_logits')):
        guess = event_class_labels(events, inputs[name], background=labels.shape[-1] - 1)
        outputs[setting] = segment_accuracy(guess, targets, percent=True)
        outputs[f'{setting}_batches'] = batch_segment_accuracy(guess, targets, meta['options']['batch'],
                                                               percent=True)[0]
    return outputs


def windows(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> Arrays:
    """Cross-modality localisation, of scores that are edited as the case says."""
    scores, marks = inputs['scores'].astype('float64'), inputs['labels']
    scores[2:5] = 0.25
    scores[5] = 1 + 1e-9 * scores[5]
    scores[6::3] += 4 * marks[6::3]
    answers, size = localize_by_logits(scores, marks), meta['options']['batch']
    parts = [localize_by_logits(scores[i:i + size], marks[i:i + size]) for i in range(0, len(scores), size)]
    return dict(accuracy=answers.accuracy(skip_full=False, percent=True), pred_start=answers.found,
                true_start=answers.start,
                accuracy_batches=np.array([part.accuracy(skip_full=False, percent=True) for part in parts]))


PARTS = dict(dataset=dataset, metric_localization=localization, metric_matching=windows)
