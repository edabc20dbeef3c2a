"""Data, statistics and schedules of ``uavm``."""
from __future__ import annotations

import csv
import json
import random
import tempfile
from pathlib import Path

import numpy as np
import soundfile
import torch

from avmm.registry import DATA_SAMPLERS, DATASETS
from projects.uavm.uavm.datasets import class_balance_weights, read_clips, read_labels, weight_path, write_weights
from projects.uavm.uavm.extractors import published_order, scaled_size

Arrays = dict[str, np.ndarray]


def write_lists(folder: Path, labels: list[str], mids: str, clips: list[dict], num_classes: int) -> None:
    """``clips.json`` and ``labels.csv``."""
    with open(folder / 'labels.csv', 'w', newline='', encoding='utf-8') as file:
        writer = csv.writer(file)
        writer.writerow(['index', 'mid', 'display_name'])
        writer.writerows([i, mids.replace('<i>', str(i)), f'class {i}'] for i in range(num_classes))
    data = [dict(labels=label, **clip) for label, clip in zip(labels, clips, strict=True)]
    (folder / 'clips.json').write_text(json.dumps(dict(data=data)))


def seed_all(options: dict) -> None:
    """Seed the three global generators."""
    random.seed(options['python_seed'])
    np.random.seed(options['numpy_seed'])
    torch.manual_seed(options.get('torch_seed', 0))


def items(dataset, options: dict) -> list[dict]:
    """The items in the order of the options."""
    dataset.full_init()
    seed_all(options)
    return [dataset[i] for i in options['indices']]


def targets(found: list[dict]) -> torch.Tensor:
    return torch.stack([item['data_samples'].gt_score for item in found])


def feature_loader(meta: dict, inputs: Arrays, *_) -> dict:
    """Items of the feature loader."""
    options, config = meta['options'], meta['options']['config']
    modalities = [name for name, letter in (('audio', 'a'), ('visual', 'v')) if letter in config['modality']]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips = []
        for i in range(len(options['labels'])):
            np.save(folder / f'a{i}.npy', inputs[f'afeat.{i}'])
            np.save(folder / f'v{i}.npy', inputs[f'vfeat.{i}'].astype(np.float16))
            clips.append(dict(afeat=f'a{i}.npy', vfeat=f'v{i}.npy'))
        write_lists(folder, options['labels'], options['mids'], clips, options['num_classes'])
        found = items(DATASETS.build(dict(
            type='UAVMFeatureDataset', ann_file='clips.json', label_file='labels.csv', data_root=name,
            modalities=modalities, seq_len=dict(audio=config['a_seq_len'], visual=config['v_seq_len']),
            feat_norm=config['feat_norm'], mixup=config['mixup'], noise=config['noise'],
            label_smooth=config['label_smooth'], randomness='global')), options)
    outputs = {name: torch.stack([item['inputs'][key] for item in found])
               for name, key in (('audio', 'audio'), ('video', 'visual')) if key in modalities}
    return dict(outputs, labels=targets(found))


def audio_loader(meta: dict, inputs: Arrays, *_) -> dict:
    """Items of the audio loader."""
    options, config = meta['options'], meta['options']['config']
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for i in range(len(options['labels'])):
            soundfile.write(folder / f'{i}.wav', inputs[f'wave.{i}'].T * np.float32(options['wave_scale']),
                            options['sample_rate'], subtype='FLOAT')
        clips = [dict(wav=f'{i}.wav') for i in range(len(options['labels']))]
        write_lists(folder, options['labels'], options['mids'], clips, options['num_classes'])
        found = items(DATASETS.build(dict(
            type='UAVMAudioDataset', ann_file='clips.json', label_file='labels.csv', data_root=name,
            sample_rate=options['sample_rate'], randomness='global',
            **{key: config[key] for key in ('num_mel_bins', 'target_length', 'freqm', 'timem', 'mixup', 'mean', 'std',
                                            'noise', 'label_smooth')})), options)
    bank = torch.cat([item['inputs']['audio'] for item in found]).transpose(1, 2)
    return dict(fbank=bank[..., ::options['sub']], labels=targets(found))


def sample_weights(meta: dict, *_) -> dict:
    """Weights, their file, and the draw of the sampler."""
    options = meta['options']
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips = [dict(wav=f'{i}.wav') for i in range(len(options['labels']))]
        sizes = dict(vgg=309, audioset=527)
        write_lists(folder, options['labels'], options['mids'], clips, sizes[options['dataset']])
        labels, data = read_labels(folder / 'labels.csv'), read_clips(folder / 'clips.json', ['labels'])
        weights = class_balance_weights([labels.numbers(clip['labels'], 'clip') for clip in data])
        path = weight_path(folder / 'clips.json')
        write_weights(path, weights)
        sampler = DATA_SAMPLERS.build(dict(type='UAVMWeightedSampler', dataset=range(len(data)),
                                           weight_file=str(path), seed=options['sampler_seed']))
        return dict(weights=weights, csv_text=path.read_text(), sampled=sampler.order(0))


def video_misc(meta: dict, *_) -> dict:
    """Sizes of decoded frames, and the order of the videos."""
    options = meta['options']
    outputs = dict(dims=np.array([scaled_size(*size) for size in options['sizes']]))
    for count in options['n_list']:
        outputs[f'order_{count}'] = published_order(count, options['numpy_seed'])
        # What the program says its length is, also where it is a chunk too long.
        outputs[f'len_{count}'] = count + 10 - count % 10
    return outputs


PARTS = {'feature_loader': feature_loader, 'audio_loader': audio_loader, 'sample_weights': sample_weights,
         'video_misc': video_misc}
