"""Cases of ``tcaf``: batches of sequences, splits and word vectors, the sampler, and calibrated stacking."""
from __future__ import annotations

import os
import tempfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch

from avmm.registry import DATA_SAMPLERS, DATASETS
from projects.tcaf.tcaf.class_splits import STAGES, read_class_split
from projects.tcaf.tcaf.evaluation import (
    BETAS,
    calibrate,
    combined_beta,
    embedding_distances,
    full_recalls,
    joint_distances,
)
from projects.tcaf.tcaf.sampler import clip_weights, fixed_counts
from projects.tcaf.tcaf.word_vectors import used_classes
from projects.tcaf.tests.benchmark_for_tests import write_benchmark

Arrays = dict[str, np.ndarray]


def collate(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> Arrays:
    """A batch of five clips, each of a class of its own, read from a packed file."""
    options, count = meta['options'], sum(name.startswith('audio.') for name in inputs)
    names = [f'class {i:03d}' for i in range(count)]
    rates = dict(audio=options.get('rate_audio', 0.96), visual=options.get('rate_video', 16 / 25))
    if options.get('selavi'):
        rates = dict(audio=1, visual=1)
    seq_len = dict(mode=options['mode'], max_len=options['max_len'], trim=options['trim'], rates=rates)
    with tempfile.TemporaryDirectory() as folder:
        clips = {(STAGES[0], name): [(f'clip {i}', np.floor(256 * inputs[f'audio.{i}']).astype('uint8'),
                                      inputs[f'video.{i}'])] for i, name in enumerate(names)}
        write_benchmark(Path(folder), names, names, {n: inputs[f'text.{i}'] for i, n in enumerate(names)},
                        dict.fromkeys(STAGES, names), clips)
        data = DATASETS.build(dict(type='GZSLDataset', data_root=folder, word_order='by_class', seq_len=seq_len,
                                   draws='global'))
        torch.manual_seed(options.get('torch_seed', meta['seed']))
        batch = data.__getitems__(range(count))
    found = batch['inputs']
    return dict(audio=found['audio'], video=found['visual'], audio_mask=found['audio_mask'],
                video_mask=found['visual_mask'], text=found['word'], t_audio=found['audio_time'],
                t_video=found['visual_time'], target=np.array([s.gt_label for s in batch['data_samples']]))


def dataset(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> Arrays:
    """All splits of a small data set."""
    options, outputs = meta['options'], {}
    clips = {}
    for key, number in options['files'].items():
        stage, name = key.split('/', 1)
        clips[stage, name] = [(f'{name}_{stage}_{i}', inputs[f'audio/{key}/{i}'], inputs[f'video/{key}/{i}'])
                              for i in range(number)]
    words = {name.split('/', 1)[1]: value for name, value in inputs.items() if name.startswith('word/')}
    with tempfile.TemporaryDirectory() as folder:
        write_benchmark(Path(folder), options['names'], options['manual'], words, options['splits'], clips)
        for split in ('train', 'val', 'train_val', 'test'):
            data = DATASETS.build(dict(type='GZSLDataset', data_root=folder, split=split))
            batch, about = data.__getitems__(range(len(data))), data.metainfo
            samples = batch['data_samples']
            found = dict(
                classes=about['class_ids'], seen=about['seen_ids'], unseen=about['unseen_ids'],
                targets=[sample.gt_label for sample in samples],
                len_audio=data.lengths['audio'], len_video=data.lengths['visual'],
                # The reference turns the bytes of a name into text as Python prints them.
                url_crc=[zlib.crc32(str(sample.sample_id.encode()).encode()) for sample in samples])
            outputs.update({f'{split}_{name}': np.array(value, np.int64) for name, value in found.items()})
            outputs[f'{split}_audio_sum'] = batch['inputs']['audio'].double().sum((1, 2)).numpy()
            outputs[f'{split}_text4'] = batch['inputs']['word'][:, :4].numpy()
            outputs[f'{split}_word_matrix4'] = data.class_words[:, :4].numpy()
    return outputs


class Labelled:
    """A data set of which only the labels are known."""

    def __init__(self, labels: np.ndarray):
        self.labels = labels

    def __len__(self) -> int:
        return len(self.labels)


def sampler(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> Arrays:
    """Weights, batches drawn from torch's stream, and shares of the fixed variant."""
    options, labels = meta['options'], inputs['targets']
    size = options['batch_size']
    made = DATA_SAMPLERS.build(dict(type='GZSLSampler', num_batches=options['n_batches'], batch_size=size, seed=0,
                                    draws='global'), default_args=dict(dataset=Labelled(labels)))
    torch.manual_seed(options.get('torch_seed', meta['seed']))
    outputs = dict(batches=made.order(0).reshape(-1, size), weights=made.weights, sample_idxs=made.clips,
                   fixed_counts=fixed_counts(labels, size))
    for alpha in {0, 0.5, *options.get('alphas', ())}:
        outputs[f'weights_alpha{alpha:g}'] = clip_weights(labels, alpha)[0]
    return outputs


def searched(distances: Any, inputs: Arrays, betas: Any = BETAS) -> Any:
    ids = np.sort(np.concatenate([inputs['seen'], inputs['unseen']]))
    return calibrate(distances, inputs['targets'], ids, inputs['seen'], inputs['unseen'], betas)


def five(found: Any) -> np.ndarray:
    return np.array(list(found.summary().values()))


def class_rows(inputs: Arrays, ids: np.ndarray) -> np.ndarray:
    return np.searchsorted(np.sort(np.concatenate([inputs['seen'], inputs['unseen']])), ids)


def evaluation(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> Arrays:
    """Search of the calibration, by distances and squared ones, and fixed calibrations."""
    options, classes = meta['options'], torch.from_numpy(inputs['class_emb']).relu()
    middle = classes[class_rows(inputs, inputs['seen'])].mean(0)
    clips = 0.3 * classes[class_rows(inputs, inputs['targets'])] + 1.2 * torch.from_numpy(inputs['emb']) + 0.5 * middle
    distances = embedding_distances(clips.relu(), classes)
    betas = np.linspace(0, 3, options.get('betas', len(BETAS)))
    runs = dict(search=searched(distances, inputs, betas),
                search_squared=searched(distances.square(), inputs, betas))
    for beta in {0.0, 0.4, 3.0, *options.get('fixed_betas', ())}:
        runs[f'beta{beta:g}'] = searched(distances, inputs, [combined_beta([beta])])
    outputs = {name: five(found) for name, found in runs.items()}
    outputs.update({f'{name}_zsl_recall': full_recalls(found.zsl_recalls, found.class_ids, options['num_all'])
                    for name, found in runs.items()})
    return outputs


def modes(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> Arrays:
    """Search in each modality and in both, by the sum and by the attention of CJME; the calibration that follows."""
    classes = torch.from_numpy(inputs['class_emb'])
    middle = classes[class_rows(inputs, inputs['seen'])].mean(0)
    own = classes[class_rows(inputs, inputs['targets'])]
    distances = {name: embedding_distances(share * own + torch.from_numpy(inputs[f'{name}_emb']) + middle, classes)
                 for name, share in (('audio', 0.15), ('video', 0.2))}
    distances['both'] = joint_distances(distances['audio'], distances['video'])
    distances['both_cjme'] = joint_distances(distances['audio'], distances['video'], inputs['attention'])
    runs = {name: searched(values, inputs) for name, values in distances.items()}
    beta = combined_beta([runs[name].beta for name in ('audio', 'video', 'both')], 'avca')
    return {**{name: five(found) for name, found in runs.items()}, 'beta_combined': np.float64(beta),
            'both_at_combined': five(searched(distances['both'], inputs, [beta]))}


def word_order(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> Arrays:
    """Whose vector each class gets, in a toy list and in the real lists where they are."""
    options = meta['options']
    outputs = dict(toy_row_class=used_classes(options['original'], options['manual']))
    real = Path(os.environ.get('AVMM_REAL_DATA') or '-')
    # A case may keep some of the rows alone.
    step = next((int(options[name]) for name in ('every', 'stride', 'step') if name in options), 1)
    for output in options.get('needs_real_data', ()):
        folder = real / 'data' / 'avgzsl' / output.removesuffix('_used_id')
        if folder.is_dir():
            split = read_class_split(folder)
            outputs[output] = used_classes(split.names, split.manual)[::step]
    return outputs


PARTS = dict(tcaf_collate=collate, tcaf_dataset=dataset, tcaf_sampler=sampler, tcaf_eval=evaluation,
             avca_eval_modes=modes, tcaf_word_order=word_order)
