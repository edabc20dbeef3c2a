"""Cases of ``tcaf``: the networks and the front ends of its feature extractors."""
from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from avmm.extraction.extractors.c3d import normalized, prepare_frames, windows
from avmm.extraction.extractors.c3d_net import C3DNet
from avmm.extraction.extractors.selavi import SeLaVi, filter_banks, window_starts
from avmm.extraction.extractors.sound_fronts import vggish_patches
from avmm.extraction.extractors.vggish import postprocess
from avmm.extraction.extractors.vggish_net import VGGishNet
from avmm.media import resample
from avmm.models.encoders.weights import fill_weights
from avmm.registry import EXTRACTORS

Arrays = dict[str, np.ndarray]
#: Seconds of the videos whose windows a case counts, at 25 frames a second.
SECONDS = (3, 9, 10, 25, 40)


def filled(net: torch.nn.Module, state: dict[str, Tensor], dtype: torch.dtype) -> torch.nn.Module:
    fill_weights(net, state, 'the case')
    return net.to(dtype).eval()


@torch.no_grad()
def vggish_net(meta: dict[str, Any], inputs: Arrays, state: dict[str, Tensor], dtype: torch.dtype) -> dict:
    net = filled(VGGishNet(), state, dtype)
    x = torch.as_tensor(inputs['x'], dtype=dtype)
    return dict(emb=net(x), feat=net.features(x)[:, ::16])


def vggish_frontend(meta: dict[str, Any], inputs: Arrays, state: dict[str, Tensor], dtype: torch.dtype) -> dict:
    options = meta['options']
    wave = torch.as_tensor(inputs['wave'], dtype=dtype).mul(0.3).clamp(-1, 1)[None]
    wave2 = torch.as_tensor(inputs['wave2'], dtype=dtype).mul(0.2).clamp(-1, 1).mean(1)[None]
    first, second = (vggish_patches(resample(sound, options[rate], 16000, kernel='kaiser_best')[0])
                     for sound, rate in ((wave, 'sample_rate'), (wave2, 'sample_rate2')))
    embeddings = 2 * np.abs(inputs['emb'])
    return dict(examples=first[:, ::5, ::3], n_examples=np.int64(len(first)), examples2=second[:, ::5, ::3],
                quantised=postprocess(embeddings, inputs['pca'] / 11.3, 0.1 * inputs['means']))


@torch.no_grad()
def c3d_net(meta: dict[str, Any], inputs: Arrays, state: dict[str, Tensor], dtype: torch.dtype) -> dict:
    net = filled(C3DNet(), state, dtype)
    return dict(fc7=net(torch.as_tensor(inputs['x'], dtype=dtype)))


def c3d_frames(meta: dict[str, Any], inputs: Arrays, state: dict[str, Tensor], dtype: torch.dtype) -> dict:
    small = np.floor(256 * inputs['frames']).astype(np.uint8)
    for axis, whole in zip((1, 2), meta['options']['frame_size'], strict=True):
        small = small.repeat(whole // small.shape[axis], axis)
    frames = torch.from_numpy(small).permute(0, 3, 1, 2)
    outputs = {}
    for name, negative in (('clips', False), ('legacy', True)):
        # The channels come as the case has them, which is the order in which the program read them.
        clips = normalized(windows(prepare_frames(frames, bgr=False, legacy_negative=negative)))
        outputs[name] = clips[:, :, ::2, ::16, ::16]
    return outputs


@torch.no_grad()
def selavi_net(meta: dict[str, Any], inputs: Arrays, state: dict[str, Tensor], dtype: torch.dtype) -> dict:
    outputs = {}
    for modality, name, source in (('visual', 'video', 'video'), ('audio', 'audio', 'spec')):
        prefix = f'{name}_network.base.'
        extractor: SeLaVi = EXTRACTORS.build(dict(type='SeLaVi', modality=modality))
        net = filled(extractor.net, {key.removeprefix(prefix): value for key, value in state.items()
                                     if key.startswith(prefix)}, dtype)
        outputs[name] = net(torch.as_tensor(inputs[source], dtype=dtype))
    return outputs


def selavi_audio(meta: dict[str, Any], inputs: Arrays, state: dict[str, Tensor], dtype: torch.dtype) -> dict:
    options = meta['options']
    wave = (32767 * np.clip(0.2 * inputs['wave'], -1, 1)).astype(np.int16)
    outputs = {}
    for i, bank in enumerate(filter_banks(wave, np.array(options['starts']), options['sample_rate'])):
        outputs |= {f'spec{i}': bank[:, ::4, ::3], f'shape{i}': np.array(bank.shape)}
    outputs['start_frames'] = np.stack([window_starts(25 * seconds, 25)[:3] for seconds in SECONDS])
    return outputs


PARTS = dict(vggish_net=vggish_net, vggish_frontend=vggish_frontend, c3d_net=c3d_net, c3d_frames=c3d_frames,
             selavi_net=selavi_net, selavi_audio=selavi_audio)
