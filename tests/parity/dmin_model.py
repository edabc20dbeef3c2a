"""Cases of ``dmin``: the models of the four recipes, their losses, gradients, training steps and initial weights."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from torch import Tensor

from avmm.registry import MODELS, OPTIMIZERS, PARAM_SCHEDULERS
from avmm.structures import AVDataSample
from projects.dmin.dmin import converter
from projects.dmin.dmin.official_init import official_state

Arrays = dict[str, np.ndarray]
BASES = Path(__file__).resolve().parents[2] / 'projects/dmin/configs/_base_'
CONFIGS = dict(supervised='dimn_supv', weak='dimn_weak', a2v='dcmr_a2v', v2a='dcmr_v2a')
MATCHING = ('a2v', 'v2a')


def build(variant: str, dtype: str, class_layers: bool = False):
    """The model of a recipe, by its config, without dropout."""
    cfg = Config.fromfile(BASES / f'models/{CONFIGS[variant]}.py')
    off = dict(dropout=0.0)
    changes = dict(dtype=dtype, encoder=off, decoder=off)
    if variant in MATCHING:
        changes.update(head=dict(class_layers=class_layers))
    else:
        changes.update(projection_dropout=0.0, interaction=off, visual_attention=off)
    cfg.merge_from_dict(dict(model=changes))
    return MODELS.build(cfg.model)


def filled(meta: dict[str, Any], state: Arrays, dtype: str, class_layers: bool = False):
    """The model of a case with the official weights."""
    options = meta['options']
    model = build(options['variant'], dtype, class_layers)
    model.load_state_dict(converter.from_official(official(meta, state), options['variant'] in MATCHING, class_layers))
    return model


def official(meta: dict[str, Any], state: Arrays) -> dict[str, Tensor]:
    """The official tensors; a case may shift some of them by a constant."""
    shifts = meta['options'].get('state_add', {})
    return {name: torch.from_numpy(value.astype('float64')) + shifts.get(name, 0) for name, value in state.items()}


def features(inputs: Arrays, suffix: str = '') -> dict[str, Tensor]:
    return {m: torch.from_numpy(inputs[f'{m}{suffix}']) for m in ('audio', 'visual')}


def samples_of(labels: np.ndarray, variant: str) -> list[AVDataSample]:
    """Samples with marks ``(B, S)``, classes of segments (one-hot ``(B, S, 29)``) or of videos (``(B, 29)``)."""
    samples = [AVDataSample() for _ in labels]
    for sample, row in zip(samples, labels, strict=True):
        if variant in MATCHING:
            sample.set_gt_mask(row > 0)
        elif row.ndim == 2:
            sample.set_gt_segments(row.argmax(-1)).set_gt_label(row.argmax(-1).min())
        else:
            sample.set_gt_score(torch.from_numpy(row))
    return samples


@torch.no_grad()
def forward(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> dict[str, Tensor]:
    variant = meta['options']['variant']
    model = filled(meta, state, dtype, class_layers=True).eval()
    features_in = features(inputs)
    if variant in MATCHING:
        features_in['mask'] = torch.from_numpy(inputs['labels']) > 0
    feats = model.extract_feat(model.cast(features_in))
    decoded, fused = model.decode(feats), model.fuse_segments(feats)
    outputs = model.head(fused, feats)
    mid = dict(agta=feats['visual_sequence'], video_memory=feats['visual'], audio_memory=feats['audio'],
               video_out=decoded['visual'], audio_out=decoded['audio'], fused=fused)
    return {**{f'mid.{name}': value[..., ::7] for name, value in mid.items()}, **named_outputs(outputs)}


def named_outputs(outputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Outputs of a head by their official names."""
    named = dict(is_event=outputs['event_logits'], class_logits=outputs['class_logits'])
    if 'video_logits' in outputs:
        return dict(named, probs=outputs['video_logits'].softmax(-1),
                    probs_self=outputs['unimodal_logits'].softmax(-1))
    return dict(named, self_logits=outputs['unimodal_logits'])


def loss_grad(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> dict[str, Any]:
    variant = meta['options']['variant']
    model = filled(meta, state, dtype).train()
    samples = samples_of(inputs['labels'], variant)
    total, terms = model.parse_losses(model(features(inputs), samples, mode='loss'))
    total.backward()
    if variant not in MATCHING:
        with torch.no_grad():
            feats = model.extract_feat(model.cast(features(inputs)))
            terms = model.head.loss_terms(model.head(model.fuse_segments(feats), feats),
                                          model.targets(samples, total.device))
    grads = converter.to_official({name: p.grad for name, p in model.named_parameters() if p.grad is not None})
    parts = [value for name, value in terms.items() if name != 'loss']
    return dict(loss=total, loss_parts=torch.stack(parts), n_params_with_grad=np.int64(len(grads)),
                grad_norms=torch.stack([grads[name].norm() for name in meta['options']['grad_names']]),
                total_grad_norm=torch.nn.utils.get_total_norm(list(grads.values())),
                grad_sample=grads['video_decoder.decoder.layers.0.multihead_attn.in_proj_weight'][::64, ::16])


def trajectory(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> dict[str, Any]:
    options = meta['options']
    model = filled(meta, state, dtype).train()
    start = {name: value.clone() for name, value in model.state_dict().items()}
    settings = {key: options['optimizer'][key] for key in ('lr', 'betas', 'eps', 'weight_decay')}
    wrapper = build_optim_wrapper(model, dict(
        type='OptimWrapper', clip_grad=dict(max_norm=options['optimizer']['clip_norm']),
        optimizer=dict(settings, type=options['optimizer']['name'])))
    batches = [dict(inputs=features(inputs, f'.{i}'), data_samples=samples_of(labels, options['variant']))
               for i, labels in enumerate(inputs['labels'])]
    losses, norms = [], []
    for batch in batches:
        losses.append(model.train_step(batch, wrapper)['loss'].detach())
        norms.append(wrapper.message_hub.get_scalar('train/grad_norm').data[0][-1])
    moved = converter.to_official({name: value - start[name] for name, value in model.state_dict().items()})
    model.eval()
    with torch.no_grad():
        final, _ = model.parse_losses(model(**batches[0], mode='loss'))
    return dict(losses=torch.stack(losses), grad_norms_before_clip=np.array(norms), final_loss_batch0=final,
                param_delta_norms=torch.stack([moved[name].norm() for name in options['param_names']]))


def init(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> Arrays:
    """Weights that go through our models and back."""
    outputs = {}
    for variant, names in meta['options']['names'].items():
        torch.manual_seed(meta['options']['torch_seed'][variant])
        drawn, matching = official_state(variant), variant in MATCHING
        model = build(variant, dtype)
        model.load_state_dict(converter.from_official(drawn, matching))
        tensors = converter.to_official(model.state_dict(), converter.unused_tensors(drawn, matching))
        named = [tensors[name].double() for name in names]
        outputs.update({f'{variant}.std': torch.stack([value.std(correction=0) for value in named]),
                        f'{variant}.absmax': torch.stack([value.abs().max() for value in named]),
                        f'{variant}.sum': torch.stack([value.sum() for value in named])})
    return outputs


def schedule(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> Arrays:
    files, options = dict(supervised='supv', weak='weak', match='match'), meta['options']
    return {f'lr_{name}': rates(files[name], 60, dict(milestones=steps, gamma=options['gamma']), options['lr'])
            for name, steps in options['milestones'].items()}


def rates(file: str, epochs: int, changes: dict[str, Any], lr: float) -> np.ndarray:
    """The learning rate in each epoch of the schedule of a config."""
    cfg = Config.fromfile(BASES / f'schedules/{file}.py')
    optimizer = OPTIMIZERS.build(dict(cfg.optim_wrapper.optimizer, lr=lr, params=[torch.zeros(())]))
    schedule = PARAM_SCHEDULERS.build(dict(cfg.param_scheduler, optimizer=optimizer, **changes))
    found = []
    for _ in range(epochs):
        found.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        schedule.step()
    return np.array(found)


PARTS = dict(forward_=forward, loss_grad_=loss_grad, trajectory_=trajectory, init_stats=init, schedule=schedule)
