"""Spectrograms and images of ``inverse_balance``."""
from __future__ import annotations

import numpy as np
import torch
from inverse_balance_common import Arrays
from PIL import Image

from avmm.registry import TRANSFORMS


def spectrogram(meta: dict, inputs: Arrays, state: dict, dtype: torch.dtype) -> dict:
    """Waveform to log spectrogram: the pipelines of CREMA-D and Kinetics-Sounds, and of UrbanSound8K-AV."""
    options = meta['options']
    wave = torch.as_tensor(inputs['wave']) * options['wave_scale']
    steps = [dict(type='ResampleAudio', sample_rate=22050)]
    if options['repeat3']:
        steps.append(dict(type='CropOrRepeatAudio', length=3 * 22050, repeat=3))
    steps += [dict(type='ClampAudio'),
              dict(type='LogSpectrogram', n_fft=512, hop_length=353, resize=options['resize'] or None)]
    spec = pipeline(steps, dict(audio=wave, sample_rate=options['sample_rate']))['audio']
    return dict(spec=spec[:, ::8, ::8], mean=spec.mean(), std=spec.std(), shape=spec.shape)


def image_transforms(meta: dict, inputs: Arrays, state: dict, dtype: torch.dtype) -> dict:
    """The test transforms of images."""
    image = Image.fromarray(np.floor(255.99 * inputs['image']).astype(np.uint8))
    recipes = dict(crema=(9, [dict(type='Resize', size=(224, 224))]),
                   us8k=(5, [dict(type='Resize', size=256), dict(type='CenterCrop', size=128)]))
    outputs = {}
    for name, (stride, steps) in recipes.items():
        visual = pipeline([*steps, dict(type='Normalize')], dict(frames=[image]))['visual'][:, 0]
        outputs |= {name: visual[:, ::stride, ::stride], f'{name}_mean': visual.mean()}
    return outputs


def pipeline(steps: list[dict], results: dict) -> dict:
    """Send a results dict through transforms."""
    for step in steps:
        results = TRANSFORMS.build(step)(results)
    return results


PARTS = {'spec_': spectrogram, 'image_test_transforms': image_transforms}
