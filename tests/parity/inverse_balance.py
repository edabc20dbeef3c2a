"""Adapter of ``inverse_balance``: the released code of OGM-GE and of its successors."""
from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import golden
import numpy as np
import torch
from harness import Unclaimed
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from PIL import Image
from torch import Tensor, nn

from avmm.balancing import BalancingHook
from avmm.datasets.transforms import PackAVInputs
from avmm.models.fusion import (
    LateFusion,
    classifier_from_official,
    classifier_to_official,
    fusion_from_official,
    fusion_to_official,
)
from avmm.registry import HOOKS, LOSSES, MODELS, PARAM_SCHEDULERS, TRANSFORMS

Arrays = dict[str, np.ndarray]

# Official names of the fusions.
FUSIONS = {
    'concat': dict(type='ConcatFusion'),
    'sum': dict(type='SumFusion'),
    'film': dict(type='FiLMFusion', condition='audio'),
    'film_v': dict(type='FiLMFusion', condition='visual'),
    'gated': dict(type='GatedFusion', gate='audio'),
    'gated_v': dict(type='GatedFusion', gate='visual'),
    'identical': dict(type='LateFusion'),
    'avattn': dict(type='AttentionFusion'),
}


def run(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> Arrays:
    """The outputs of a case; see ``harness``."""
    for prefix, part in PARTS.items():
        if meta['case'].startswith(prefix):
            tensors = {name: torch.as_tensor(value) for name, value in state.items()}
            # As in a config: default_scope = 'avmm'.
            with DefaultScope.overwrite_default_scope('avmm'):
                outputs = part(meta, inputs, tensors, getattr(torch, dtype))
            return {name: np.asarray(value.detach() if isinstance(value, Tensor) else value)
                    for name, value in outputs.items()}
    raise Unclaimed(f'no part of the adapter claims the case {meta["case"]!r}')


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


def fusion(meta: dict, inputs: Arrays, state: dict, dtype: torch.dtype) -> dict:
    """A fusion module alone: its outputs and the gradients of a sum of them."""
    options = meta['options']
    feats = {m: torch.as_tensor(inputs[m[0]]).to(dtype).requires_grad_() for m in ('audio', 'visual')}
    module = build_fusion(options, {m: f.shape[1] for m, f in feats.items()}, state).to(dtype)
    x, y, z = fusion_outputs(module, feats)
    # The scalar that the cases differentiate.
    total = 0.01 * x.pow(2).sum() + y.sin().sum()
    if z is not None:
        total = total + nn.functional.cross_entropy(z, torch.arange(len(z)) % options['num_classes'])
    total.backward()
    grads = fusion_to_official({name: p.grad for name, p in module.named_parameters()}, module)
    outputs = dict(x=x, y=y, grad_a=feats['audio'].grad, grad_v=feats['visual'].grad,
                   grad_norms=norms(grads, options['grad_names']))
    return outputs if z is None else {**outputs, 'z': z}


def model(meta: dict, inputs: Arrays, state: dict, dtype: torch.dtype) -> dict:
    """The classifier in evaluation: features behind the fusion, and joint logits."""
    net = build_classifier(meta['options'], state).to(dtype).eval()
    with torch.no_grad():
        feats = net.extract_feat({m: as_clip(m, inputs[m], dtype) for m in net.modalities})
        x, y, z = fusion_outputs(net.fusion, feats)
    return dict(x=x, y=y, z=z)


def trajectory(meta: dict, inputs: Arrays, state: dict, dtype: torch.dtype) -> dict:
    """Some training steps under a balancing hook."""
    options = meta['options']
    net = build_classifier(options, state).to(dtype).train()
    wrapper = build_optim_wrapper(net, dict(type='OptimWrapper', optimizer=dict(
        type='SGD', **{key: options[key] for key in ('lr', 'momentum', 'nesterov', 'weight_decay')})))
    set_epoch_of_schedule(wrapper.optimizer, options['epoch'])
    if options['modulation'] != 'Normal':
        hook = build_hook(options, net, meta['seed'])
        hook.set_epoch(options['epoch'])
        hook.attach(net, wrapper.optimizer)
    losses, grad_norms = [], []

    @torch.no_grad()
    def before_step(optimizer, args, kwargs) -> None:
        step = net.step
        alone = net.unimodal_logits(step.feats)
        losses.append([float(step.losses['loss'].detach()),
                       *(float(net.loss_fn(alone[m], step.labels)) for m in net.modalities)])
        last = {name: p.grad for name, p in net.named_parameters()}
        grad_norms.append(norms(classifier_to_official(last, net.fusion), options['grad_names']))

    wrapper.optimizer.register_step_pre_hook(before_step)
    for i in range(sum(name.startswith('label.') for name in inputs)):
        net.train_step(as_batch(inputs, i, net.modalities, dtype), wrapper)
    weights = classifier_to_official(net.state_dict(), net.fusion)
    return dict(loss=np.array(losses), last_grad_norms=grad_norms[-1],
                param_norms=norms(weights, options['grad_names']))


def label_smoothing(meta: dict, inputs: Arrays, state: dict, dtype: torch.dtype) -> dict:
    """Smoothed and plain cross-entropy."""
    label = torch.as_tensor(inputs['label'])
    logits = (torch.as_tensor(inputs['z']).to(dtype) * meta['options']['z_scale']).requires_grad_()
    loss = LOSSES.build(dict(type='LabelSmoothLoss', eps=meta['options']['smoothing']))(logits, label)
    loss.backward()
    return dict(loss=loss, grad=logits.grad, plain=LOSSES.build(dict(type='CrossEntropyLoss'))(logits, label))


def mean_average_precision(meta: dict, inputs: Arrays, state: dict, dtype: torch.dtype) -> dict:
    """Macro mAP with the precision envelope."""
    from avmm.evaluation.functional import envelope_mean_average_precision
    return dict(map=envelope_mean_average_precision(inputs['pred'], inputs['label']))


PARTS: dict[str, Callable[[dict, Arrays, dict, torch.dtype], dict]] = {
    'spec_': spectrogram,
    'image_test_transforms': image_transforms,
    'fusion_': fusion,
    'ogmge_model_': model,
    'ogmge_traj_': trajectory,
    'loss_label_smoothing': label_smoothing,
    'prototype_map': mean_average_precision,
}


def pipeline(steps: list[dict], results: dict) -> dict:
    """Send a results dict through transforms."""
    for step in steps:
        results = TRANSFORMS.build(step)(results)
    return results


def build_fusion(options: dict, in_channels: dict[str, int], state: dict[str, Tensor]) -> nn.Module:
    """The fusion that the options name, with official weights."""
    module = MODELS.build(dict(FUSIONS[options['fusion']], in_channels=in_channels,
                               num_classes=options['num_classes']))
    module.load_state_dict(fusion_from_official(state, module))
    return module


def fusion_outputs(module: nn.Module, feats: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor | None]:
    """What the official modules return: features of both modalities and joint logits.

    ``identical`` returns the logits of each modality, and no joint ones.
    """
    if isinstance(module, LateFusion):
        return *module.unimodal_logits(feats).values(), None
    return *module.transform(feats).values(), module(feats)


def build_classifier(options: dict, state: dict[str, Tensor]) -> nn.Module:
    """The two-branch ResNet-18 with official weights."""
    net = MODELS.build(dict(
        type='AVClassifier', num_classes=options['num_classes'], fusion=FUSIONS[options['fusion']],
        encoders=dict(audio=dict(type='AVResNet18', in_channels=1), visual=dict(type='AVResNet18', in_channels=3)),
        loss=dict(type='CrossEntropyLoss')))
    net.load_state_dict(classifier_from_official(state, net.fusion))
    return net


def build_hook(options: dict, net: nn.Module, seed: int) -> BalancingHook:
    """The balancing hook that the options name; its noise is off, or seeded by update and parameter."""
    cfg = dict(alpha=options['alpha'], starts=options.get('modulation_starts', 0),
               ends=options.get('modulation_ends', 50))
    if options['modulation'] == 'OGM':
        return HOOKS.build(dict(type='OGM', **cfg))
    seeded = options.get('noise') == 'seeded'
    return HOOKS.build(dict(type='OGMGE', noise_scale=float(seeded),
                            noise_source=SeededNoise(net, seed) if seeded else None, **cfg))


class SeededNoise:
    """The noise of the recorded steps: one seeded array for each update and official parameter name."""

    def __init__(self, net: nn.Module, seed: int):
        official = classifier_to_official({name: name for name, _ in net.named_parameters()}, net.fusion)
        self.official = {ours: theirs for theirs, ours in official.items()}
        self.seed = seed
        self.updates: dict[str, int] = {}

    def __call__(self, name: str, like: Tensor) -> Tensor:
        update = self.updates[name] = self.updates.get(name, -1) + 1
        drawn = golden.array(f'noise.{update}.{self.official[name]}', tuple(like.shape), self.seed)
        return torch.as_tensor(drawn).to(like)


def set_epoch_of_schedule(optimizer: torch.optim.Optimizer, epoch: int) -> None:
    """Bring the learning rate to that of ``epoch``: a tenth after each 70."""
    schedule = PARAM_SCHEDULERS.build(dict(type='StepLR', optimizer=optimizer, step_size=70, gamma=0.1))
    with warnings.catch_warnings():
        # No step of the optimiser comes before these of the schedule.
        warnings.simplefilter('ignore', UserWarning)
        for _ in range(epoch):
            schedule.step()


def as_clip(modality: str, values: np.ndarray, dtype: torch.dtype) -> Tensor:
    """Official inputs as a batch: spectrograms ``(B, F, T)`` get their channel."""
    clip = torch.as_tensor(values).to(dtype)
    return clip.unsqueeze(1) if modality == 'audio' and clip.dim() == 3 else clip


def as_batch(inputs: Arrays, i: int, modalities: tuple[str, ...], dtype: torch.dtype) -> dict:
    """Batch ``i`` of a trajectory, as the data loader gives it."""
    clips = {m: as_clip(m, inputs[f'{m}.{i}'], dtype) for m in modalities}
    pack = PackAVInputs(keys=())
    samples = [pack(dict(sample_id=f'{i}.{k}', gt_label=int(y)))['data_samples']
               for k, y in enumerate(inputs[f'label.{i}'])]
    return dict(inputs=clips, data_samples=samples)


def norms(tensors: dict[str, Tensor | None], names: list[str]) -> np.ndarray:
    """Euclidean norms of some tensors; 0 where there is none."""
    return np.array([0.0 if tensors.get(name) is None else float(tensors[name].double().norm()) for name in names])
