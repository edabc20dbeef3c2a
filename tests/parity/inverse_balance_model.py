"""The classifier of ``inverse_balance``, its spiking encoder, nodes and surrogates."""
from __future__ import annotations

import numpy as np
import torch
from inverse_balance_common import FUSIONS, Arrays, as_batch, as_clip, norms
from torch import Tensor, nn

from avmm.registry import METRICS, MODELS
from projects.inverse_balance.inverse_balance import from_official

NODES = {'relu': 'ReLUNode', 'if': 'IFNode', 'lif': 'LIFNode', 'plif': 'PLIFNode'}
SURROGATES = {'qgate': 'QGateGrad', 'gate': 'GateGrad', 'atan': 'AtanGrad', 'sigmoid': 'SigmoidGrad',
              'relu_like': 'ReLUGrad'}


def model(meta: dict, inputs: Arrays, state: dict, dtype: torch.dtype) -> dict:
    """The classifier in evaluation: fused features, joint logits and those of the heads."""
    net = build_classifier(meta['options'], state).to(dtype).eval()
    with torch.no_grad():
        feats = net.extract_feat({m: as_clip(m, inputs[m], dtype) for m in net.modalities})
        outputs = dict(z=net.fuse(feats))
        for m in net.modalities if net.only is None else ():
            outputs |= {m[0]: net.fused_feats(feats)[m], f'z_{m}': net.head_logits(feats)[m]}
    return outputs


def validation(meta: dict, inputs: Arrays, state: dict, dtype: torch.dtype) -> dict:
    """The metrics of a validation over batches of several sizes."""
    options = meta['options']
    net = build_classifier(options, state).to(dtype).eval()
    metrics = [METRICS.build(dict(type='AVAccuracy')), METRICS.build(dict(type='CrossEntropyMetric')),
               METRICS.build(dict(type='InverseCoefficient', gamma=options['inverse_coef']))]
    size = 0
    for i in range(sum(name.startswith('label.') for name in inputs)):
        batch = as_batch(inputs, i, net.modalities, dtype)
        with torch.no_grad():
            predicted = [sample.to_dict() for sample in net(**batch, mode='predict')]
        size += len(predicted)
        for metric in metrics:
            metric.process(batch, predicted)
    values = {name: value for metric in metrics for name, value in metric.evaluate(size).items()}
    names = dict(loss='cross_entropy/joint', top1='accuracy/joint', top1_a='accuracy/audio', top1_v='accuracy/visual',
                 inverse_sc1='inverse/first', inverse_sc2='inverse/middle', inverse_sc3='inverse/last')
    return {ours: np.array(values[name]) for ours, name in names.items() if name in values}


def spiking(meta: dict, inputs: Arrays, state: dict, dtype: torch.dtype) -> dict:
    """The spiking ResNet-18: maps averaged over the steps, gradients, statistics."""
    options = meta['options']
    for name, value in state.items():
        if name.endswith('threshold'):
            value.fill_(options['threshold'])
        elif name.endswith('act_fun.alpha'):
            value.fill_(options['alpha'])
    x = torch.as_tensor(inputs['x']).to(dtype)
    net = MODELS.build(dict(type='PreActResNet18', in_channels=x.shape[1], inner_steps=options['step'],
                            node=dict(type='LIFNode', tau=options['tau'])))
    net.load_state_dict(state)
    net.to(dtype).train(options['mode'] == 'train')
    y = net.feature_maps(x)
    (y * torch.as_tensor(inputs['w']).to(dtype)).mean().backward()
    grads = {name: p.grad for name, p in net.named_parameters()}
    return dict(y=y[:, ::7], grad_norms=norms(grads, options['grad_names']),
                **slices(net.state_dict(), options.get('slices', {})))


def node(meta: dict, inputs: Arrays, state: dict, dtype: torch.dtype) -> dict:
    """A node over some steps, and the gradients of a weighted sum of its spikes."""
    options = meta['options']
    kind, _, surrogate = options['node'].partition('_')
    cfg = dict(type=NODES[kind], steps=len(inputs['x']))
    if options['tau'] is not None:
        cfg['tau'] = options['tau']
    if surrogate in SURROGATES:
        cfg['act_fun'] = dict(type=SURROGATES[surrogate])
    neuron = MODELS.build(cfg)
    neuron.load_state_dict({name: torch.tensor(value) for name, value in options['params'].items()})
    x = (options['x_scale'] * torch.as_tensor(inputs['x'])).to(dtype).requires_grad_()
    spikes, membrane = neuron.to(dtype).integrate(x)
    (spikes * torch.as_tensor(inputs['w']).to(dtype)).sum().backward()
    grads = {'grad_' + name.replace('.', '_'): p.grad.reshape(-1) for name, p in neuron.named_parameters()
             if p.grad is not None}
    return dict(spikes=spikes, final_mem=np.atleast_1d(membrane.detach()), grad_x=x.grad, **grads)


def surrogate(meta: dict, inputs: Arrays, state: dict, dtype: torch.dtype) -> dict:
    """A surrogate alone, forward and backward."""
    options = meta['options']
    kind = next(kind for name, kind in SURROGATES.items() if options['surrogate'].startswith(name))
    function = MODELS.build(dict(type=kind, alpha=options['alpha'], trainable=kind == 'AtanGrad')).to(dtype)
    x = (options['x_scale'] * torch.as_tensor(inputs['x'])).to(dtype).requires_grad_()
    y = function(x)
    y.backward(torch.as_tensor(inputs['g']).to(dtype))
    grad_alpha = {} if function.alpha.grad is None else dict(grad_alpha=function.alpha.grad.reshape(-1))
    return dict(y=y, grad_x=x.grad, **grad_alpha)


def build_classifier(options: dict, state: dict[str, Tensor]) -> nn.Module:
    """The classifier of two pre-activation ResNet-18s with official weights."""
    modality = options['modality']
    encoder = dict(type='PreActResNet18', steps=options['step'])
    net = MODELS.build(dict(
        type='AVClassifier', num_classes=options['num_classes'], heads=True,
        only=None if modality == 'audio-visual' else modality, fusion=FUSIONS[options.get('fusion', 'concat')],
        encoders=dict(audio=dict(encoder, in_channels=1), visual=dict(encoder, in_channels=3)),
        loss=dict(type='LabelSmoothLoss', eps=options.get('smoothing', 0.1))))
    net.load_state_dict(from_official(state, net))
    return net


def slices(state: dict[str, Tensor], wanted: dict[str, str]) -> dict[str, Tensor]:
    """Parts of a state: ``{output: 'tensor name[::n]'}``, the slice being optional."""
    outputs = {}
    for output, text in wanted.items():
        name, _, stride = text.rstrip(']').partition('[::')
        outputs[output] = state[name][::int(stride or 1)]
    return outputs


PARTS = {'model_': model, 'valid_': validation, 'snn_resnet_': spiking, 'node_': node, 'surrogate_': surrogate}
