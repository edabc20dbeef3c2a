"""Cases of ``uavm``: the three transformers, their layers and maps, gradients, and both feature extractors."""
from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mmengine.optim import build_optim_wrapper
from torch import Tensor

import projects.uavm.uavm  # noqa: F401
from avmm.models.encoders.convnext import SIZES
from avmm.models.encoders.weights import adapt_stem
from avmm.registry import MODELS
from avmm.structures import AVDataSample
from projects.uavm.uavm import converter
from projects.uavm.uavm.analysis import attention_image, mean_differences
from projects.uavm.uavm.frames import normalised_frames

Arrays = dict[str, np.ndarray]
TYPES = dict(uavm='UAVM', ind_trans='ModalityIndependentTransformer', full_att_trans='CrossModalityTransformer')
LOSSES = dict(CE='CrossEntropyLoss', BCE='BCELoss')
MODALITIES = dict(a='audio', v='visual')


def build(options: dict[str, Any], **changes):
    """The transformer that the options of a case name."""
    return MODELS.build(dict(
        type=TYPES[options['model']], num_classes=options['label_dim'], specific_depth=options['depth_i'],
        shared_depth=options['depth_s'], channels=options['embed_dim'],
        shared_channels=options.get('s_embed_dim') or None, num_heads=options['num_heads'],
        num_steps=options['seq_len'], in_channels=options['input_dim'], **changes))


def kind_of(options: dict[str, Any]) -> str:
    """The kind of official file of a model."""
    return 'independent' if options['model'] == 'ind_trans' else 'uavm'


def filled(options: dict[str, Any], state: Arrays, dtype: str, **changes):
    """The transformer of a case with the official weights."""
    model = build(options, **changes).to(getattr(torch, dtype))
    tensors = {f'module.{name}': torch.from_numpy(value) for name, value in state.items()}
    model.load_state_dict(converter.from_official(tensors, kind_of(options)))
    return model


def features(inputs: Arrays, suffix: str = '') -> dict[str, Tensor]:
    return {m: torch.from_numpy(inputs[f'x_{a}{suffix}']) for a, m in MODALITIES.items() if f'x_{a}{suffix}' in inputs}


def samples_of(labels: np.ndarray) -> list[AVDataSample]:
    return [AVDataSample().set_gt_score(torch.from_numpy(row)) for row in labels]


@torch.no_grad()
def evaluation(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> Arrays:
    """Logits, features of all layers, attention maps, their differences and their picture."""
    options = meta['options']
    model, given, sub = filled(options, state, dtype).eval(), features(inputs), options.get('sub', 1)
    outputs: dict[str, Any] = {}
    if options['model'] != 'full_att_trans':
        samples = model(given, [AVDataSample() for _ in range(options['batch'])], mode='predict')
        outputs.update({f'logits_{a}': torch.stack([s.unimodal_scores[m] for s in samples])
                        for a, m in MODALITIES.items()}, logits_av=torch.stack([s.pred_score for s in samples]))
    elif options['depth_s']:
        outputs.update(dict.fromkeys(('logits', 'visual_logits'), model(given)))
    else:
        outputs['tokens'] = model.tokens(model.extract_feat(given))
    layers = model.layer_feats(given)
    for a, m in MODALITIES.items():
        outputs.update({f'feat_{a}.{k}': x[..., ::sub] if x.dim() == 3 else x for k, x in layers[m].items()})
    maps = model.attention_maps(given)
    names = dict(MODALITIES, av='joint')
    for a, m in names.items():
        found = [name for name in maps if name.startswith(f'{m}.')]
        outputs.update({f'att_{a}.{i}': maps[name][:, :, ::sub, ::sub] for i, name in enumerate(found)})
        if found:
            outputs[f'att_image_{a}'] = attention_image(maps[found[-1]][0])
    differences = mean_differences([maps])
    return {**outputs, **({'att_diff': np.array(list(differences.values()))} if differences else {})}


def gradients(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> dict[str, Any]:
    """Loss and norms of the gradients, of one modality after the other."""
    options = meta['options']
    joint = options['model'] == 'full_att_trans'
    outputs = {}
    for suffix in ('av', ) if joint else tuple(MODALITIES):
        model = filled(options, state, dtype, loss=dict(type=LOSSES[options['loss']])).train()
        given = features(inputs)
        given = given if joint else {MODALITIES[suffix]: given[MODALITIES[suffix]]}
        loss, _ = model.parse_losses(model(given, samples_of(inputs['labels']), mode='loss'))
        loss.backward()
        grads = converter.to_official({n: p.grad for n, p in model.named_parameters()}, kind_of(options))
        outputs[f'loss_{suffix}'] = loss
        outputs['grad_norms' if joint else f'grad_norms_{suffix}'] = np.array(
            [-1.0 if grads[name] is None else float(grads[name].norm()) for name in options['grad_names']])
    return outputs


def audio_extractor(options: dict[str, Any], state: Arrays, dtype: str, **changes):
    """The audio extractor with the official weights."""
    encoder = dict(type='ConvNeXtEncoder', size=SIZES[options['model_id']], in_channels=1, stochastic_depth_prob=0.0)
    model = MODELS.build(dict(type='AVClassifier', encoders=dict(audio=encoder), fusion=dict(type='ConcatFusion'),
                              num_classes=options['label_dim'], **changes)).to(getattr(torch, dtype))
    tensors = {f'module.{name}': torch.from_numpy(value) for name, value in state.items()}
    model.load_state_dict(converter.from_official(tensors, 'audio_extractor'))
    return model


def spectrograms(values: np.ndarray, dtype: str) -> dict[str, Tensor]:
    """Official spectrograms ``(B, T, F)`` as inputs."""
    return dict(audio=torch.from_numpy(values).to(getattr(torch, dtype)).transpose(1, 2).unsqueeze(1))


def audio(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> dict[str, Any]:
    """Logits and features of the steps, or what a training does."""
    options = meta['options']
    if 'grad_names' in options:
        return audio_training(meta, inputs, state, dtype)
    model, given = audio_extractor(options, state, dtype).eval(), spectrograms(inputs['x'], dtype)
    with torch.no_grad():
        logits, feat = model(given), model.encoders['audio'].feature_steps(given['audio'])
    return dict(logits=logits, feat=feat[..., ::options['sub']], feat_shape=np.array(feat.shape),
                feat_norm=feat.norm())


def audio_training(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> dict[str, Any]:
    """Loss, norms of gradients and five steps, for each loss from the same weights."""
    options, outputs = meta['options'], {}
    settings = dict(type='Adam', lr=options['lr'], betas=options['betas'], weight_decay=options['weight_decay'])
    for loss in sorted({name.split('_')[1].split('.')[0] for name in inputs if name.startswith('labels_')}):
        model = audio_extractor(options, state, dtype, loss=dict(type=LOSSES[loss])).train()
        total, _ = model.parse_losses(
            model(spectrograms(inputs['x'], dtype), samples_of(inputs[f'labels_{loss}']), mode='loss'))
        total.backward()
        grads = converter.to_official({n: p.grad for n, p in model.named_parameters()}, 'audio_extractor')
        outputs[f'loss_{loss}'] = total
        outputs[f'grad_norms_{loss}'] = torch.stack([grads[name].norm() for name in options['grad_names']])
        model.zero_grad()
        wrapper = build_optim_wrapper(model, dict(type='OptimWrapper', optimizer=settings))
        steps = sum(name.startswith('x.') for name in inputs)
        batches = [dict(inputs=spectrograms(inputs[f'x.{i}'], dtype),
                        data_samples=samples_of(inputs[f'labels_{loss}.{i}'])) for i in range(steps)]
        outputs[f'losses_{loss}'] = torch.stack([model.train_step(b, wrapper)['loss'].detach() for b in batches])
    return outputs


@torch.no_grad()
def video(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> dict[str, Any]:
    options = meta['options']
    net = MODELS.build(dict(type='ConvNeXtEncoder', size=SIZES[options['model_id']], normalise=False))
    net.load_state_dict(converter.from_official({n: torch.from_numpy(v) for n, v in state.items()},
                                                'visual_extractor'))
    frames = normalised_frames(torch.from_numpy(inputs['video'] * np.float32(options['scale'])))
    feat = net.eval()(frames)
    if options['l2_normalize']:
        feat = torch.nn.functional.normalize(feat, dim=1)
    return dict(prep=frames[..., ::7, ::7], feat=feat[:, ::options['sub']], feat_norm=feat.norm(),
                feat16=feat.half()[:, ::options['sub']])


def stem(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: str) -> dict[str, Any]:
    net = torch.nn.Sequential(torch.nn.Conv2d(3, len(inputs['stem']), inputs['stem'].shape[2:], bias=False))
    net[0].weight.data = torch.from_numpy(inputs['stem'])
    adapt_stem(net, 1)
    return dict(stem=net[0].weight)


PARTS = dict(eval_=evaluation, grad_=gradients, convnext_audio_=audio, convnext_video_=video, convnext_stem_=stem)
