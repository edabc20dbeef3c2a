"""Cases of ``cmran``: the model in both settings, its losses, gradients, training steps and learning rates."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from torch import Tensor

from avmm.models import EventTargets
from avmm.models.attention import recorded_maps
from avmm.registry import MODELS, OPTIMIZERS, PARAM_SCHEDULERS
from avmm.structures import AVDataSample
from projects.cmran.cmran import converter

Arrays = dict[str, np.ndarray]
BASES = Path(__file__).resolve().parents[2] / 'projects/cmran/configs/_base_'
# Every which value of the last axis a case stores.
STRIDES = dict(channel_att=7, attended_visual=7, video_encoded=5, audio_encoded=5, audio_query=5, video_query=5,
               fused=5)


def build(options: dict[str, Any], dtype: str, state: Arrays | None = None):
    """The model of a setting, by its config, with the official weights and without dropout."""
    cfg = Config.fromfile(BASES / f'models/cmran_{options.get("setting", "supv")}.py')
    off = dict(dropout=0.0)
    cfg.merge_from_dict(dict(model=dict(dtype=dtype, projection_dropout=0.0, encoder=off, decoder=off,
                                        interaction=off)))
    if 'avinter_heads' in options:
        cfg.model.interaction.num_heads = options['avinter_heads']
    model = MODELS.build(cfg.model)
    if state is not None:
        tensors = {name: torch.from_numpy(value) for name, value in state.items()}
        model.load_state_dict(converter.from_official(tensors))
    return model


def batch(inputs: Arrays, suffix: str = '') -> dict[str, Any]:
    """A batch as the data loader gives it; segment labels are one-hot ``(B, S, 29)``, video labels ``(B, 29)``."""
    return dict(inputs=features(inputs, suffix), data_samples=samples_of(inputs[f'labels{suffix}']))


def samples_of(labels: np.ndarray) -> list[AVDataSample]:
    samples = [AVDataSample() for _ in labels]
    for sample, row in zip(samples, labels, strict=True):
        if row.ndim == 2:
            sample.set_gt_segments(row.argmax(-1)).set_gt_label(row.argmax(-1).min())
        else:
            sample.set_gt_score(torch.from_numpy(row))
    return samples


def features(inputs: Arrays, suffix: str = '') -> dict[str, Tensor]:
    return {m: torch.from_numpy(inputs[f'{m}{suffix}']) for m in ('audio', 'visual')}


@torch.no_grad()
def forward(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> dict[str, Tensor]:
    model = build(meta['options'], dtype, state).eval()
    with recorded_maps(model.map_sources()) as maps:
        feats = model.extract_feat(model.cast(features(inputs)))
        decoded = model.decode(feats)
        fused = model.interaction(decoded)
        outputs = model.head(fused, feats)
    values = dict(spatial_att=maps['spatial'].flatten(2), channel_att=maps['channel'], inter_att=maps['interaction'],
                  attended_visual=feats['visual_sequence'], video_encoded=feats['visual'], fused=fused,
                  audio_encoded=feats['audio'], audio_query=decoded['audio'], video_query=decoded['visual'])
    values = {name: value[..., ::STRIDES.get(name, 1)] for name, value in values.items()}
    return dict(values, **named_outputs(model, outputs, 'raw_logits'))


def named_outputs(model, outputs: dict[str, Tensor], weak_classes: str) -> dict[str, Tensor]:
    """Outputs of the head by their official names."""
    if 'video_logits' not in outputs:
        return dict(is_event=outputs['event_logits'], class_logits=outputs['class_logits'])
    return {'is_event': outputs['event_logits'], weak_classes: outputs['class_logits'],
            'event_scores': model.head.predict(outputs).video}


def loss_grad(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> dict[str, Any]:
    model = build(meta['options'], dtype, state).train()
    data = batch(inputs)
    losses = model(**data, mode='loss')
    total, _ = model.parse_losses(losses)
    total.backward()
    grads = converter.to_official({name: p.grad for name, p in model.named_parameters()})
    unused = converter.unused_tensors(state)
    outputs = dict(
        losses, loss=total, unused_count=np.int64(len(unused)),
        unused_elements=np.int64(sum(value.size for value in unused.values())),
        grad_norms=torch.stack([grads[name].norm() for name in meta['options']['grad_names']]),
        total_norm=torch.nn.utils.get_total_norm(list(grads.values())))
    if meta['options']['setting'] == 'supv':
        targets = EventTargets.from_samples(data['data_samples'])
        outputs.update(targets_event=model.head.event_mask(targets).double(),
                       targets_class=model.head.labels(targets))
    return outputs


def trajectory(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> dict[str, Any]:
    options = meta['options']
    model = build(options, dtype, state).train()
    start = {name: value.clone() for name, value in model.state_dict().items()}
    settings = {key: options[key] for key in ('lr', 'betas', 'eps', 'weight_decay')}
    wrapper = build_optim_wrapper(model, dict(type='OptimWrapper', clip_grad=dict(max_norm=options['clip']),
                                              optimizer=dict(settings, type=options['optimizer'])))
    losses, norms = [], []
    for i in range(sum(name.startswith('labels.') for name in inputs)):
        losses.append(model.train_step(batch(inputs, f'.{i}'), wrapper)['loss'].detach())
        norms.append(wrapper.message_hub.get_scalar('train/grad_norm').data[0][-1])
    moved = converter.to_official({name: value - start[name] for name, value in model.state_dict().items()})
    model.eval()
    with torch.no_grad():
        feats = model.extract_feat(model.cast(features(inputs, '.0')))
        final = named_outputs(model, model.head(model.fuse_segments(feats), feats), 'class_logits')
    return dict({f'final_{name}': value for name, value in final.items()}, losses=torch.stack(losses),
                total_norms=np.array(norms),
                delta_norms=torch.stack([moved[name].norm() for name in options['delta_names']]))


def init(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> Arrays:
    options = meta['options']
    torch.manual_seed(meta['seed'])
    tensors = converter.to_official(build(options, dtype).state_dict())
    tensors |= converter.fill_unused(tensors)
    off = [name for name in options.get('zero_names', ()) if tensors[name].any()]
    off += [name for name in options.get('one_names', ()) if (tensors[name] != 1).any()]
    off += [pair for pair in options.get('identical_at_init', ()) if not torch.equal(*(tensors[n] for n in pair))]
    assert not off, off
    named = [tensors[name].double() for name in options['names']]
    return dict(std=torch.stack([value.std(correction=0) for value in named]),
                absmax=torch.stack([value.abs().max() for value in named]))


def targets(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> dict[str, Tensor]:
    head = MODELS.build(dict(type='SupervisedEventHead'))
    known = EventTargets.from_samples(samples_of(inputs['labels']))
    return dict(event=head.event_mask(known).double(), video_class=head.labels(known))


def schedule(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> Arrays:
    steps = np.array([0, 1, 51, 14998, 14999, 15000, 15599])
    return dict(supv=rates('supv', 60), weak=rates('weak', 60), avel_steps=steps,
                avel_lr=rates('avel_supv', steps.max() + 1)[steps])


def rates(name: str, steps: int) -> np.ndarray:
    """The learning rate before each step of the schedule of a config."""
    cfg = Config.fromfile(BASES / f'schedules/{name}.py')
    parameter = torch.nn.Parameter(torch.zeros(()))
    optimizer = OPTIMIZERS.build(dict(cfg.optim_wrapper.optimizer, params=[parameter]))
    schedule = PARAM_SCHEDULERS.build(dict(cfg.param_scheduler, optimizer=optimizer))
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        schedule.step()
    return np.array(found)


PARTS = dict(supv_forward=forward, weak_forward=forward, supv_loss_grad=loss_grad, weak_loss_grad=loss_grad,
             supv_traj=trajectory, weak_traj=trajectory, supv_init=init, supv_targets=targets, schedule=schedule)
