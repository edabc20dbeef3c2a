"""Batches, a naive reference and a bare training loop for the tests of balancing hooks."""
from __future__ import annotations

import math

import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import init_default_scope

from avmm.structures import AVDataSample
from avmm.testing import ToyAVModel


def toy_model(seed: int = 0, **kwargs) -> ToyAVModel:
    init_default_scope('avmm')
    torch.manual_seed(seed)
    model = ToyAVModel(**{'num_classes': 4, 'width': 6, 'dropout': 0.0, **kwargs})
    # Branches of unlike strength, so that one of them is ahead.
    with torch.no_grad():
        model.classifier.weight[:, :6] *= 6
    return model.train()


def toy_batch(size: int = 8, seed: int = 0, modalities=('audio', 'visual'), dtype=torch.float32) -> dict:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(4, (size, ), generator=generator)
    inputs = {}
    for m in modalities:
        shape = (1, 6, 6) if m == 'audio' else (3, 6, 6)
        inputs[m] = torch.randn(size, *shape, generator=generator).to(dtype) + labels[:, None, None, None] * 0.5
    return dict(inputs=inputs, data_samples=[AVDataSample().set_gt_label(int(y)) for y in labels])


def part(data: dict, rows: slice) -> dict:
    return dict(inputs={m: x[rows] for m, x in data['inputs'].items()}, data_samples=data['data_samples'][rows])


def backward(model, data: dict) -> None:
    model(**data, mode='loss')['loss_cls'].backward()


def train(model, batches, hook=None, optimizer=None, **wrapper) -> OptimWrapper:
    """Update once a batch, through mmengine's wrapper but without a runner."""
    optimizer = optimizer or torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-3)
    if hook is not None:
        hook.attach(model, optimizer)
    wrapper = OptimWrapper(optimizer, **wrapper)
    for data in batches:
        with wrapper.optim_context(model):
            loss = model(**data, mode='loss')['loss_cls']
        wrapper.update_params(loss)
    return wrapper


def naive_coefficients(model, alpha: float) -> dict[str, float]:
    """OGM for two modalities, sample by sample in plain Python."""
    alone = model.unimodal_logits(model.step.feats)
    score = {m: sum(torch.softmax(z[i], 0)[y].item() for i, y in enumerate(model.step.labels))
             for m, z in alone.items()}
    ratio_v = score['visual'] / score['audio']
    if ratio_v > 1:
        return {'audio': 1.0, 'visual': 1 - math.tanh(alpha * ratio_v)}
    return {'audio': 1 - math.tanh(alpha / ratio_v), 'visual': 1.0}


def naive_update(model, data, optimizer, alpha: float, noise=None) -> dict[str, float]:
    """One update of OGM, or of OGM-GE with ``noise(name, grad)``, parameter by parameter."""
    optimizer.zero_grad()
    backward(model, data)
    coefficients = naive_coefficients(model, alpha)
    for name, p in model.named_parameters():
        for modality, k in coefficients.items():
            if modality in name and p.grad is not None and p.grad.ndim == 4:
                extra = 0 if noise is None else noise(name, p.grad) * (p.grad.std() + 1e-8)
                p.grad = p.grad * k + extra
    optimizer.step()
    return coefficients


def weights(model) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def assert_same(first: dict, second: dict, **tolerance) -> None:
    assert first.keys() == second.keys()
    for name in first:
        torch.testing.assert_close(first[name], second[name], msg=lambda text, n=name: f'{n}: {text}', **tolerance)


def differ(first: dict, second: dict) -> set[str]:
    return {name for name in first if not torch.equal(first[name], second[name])}
