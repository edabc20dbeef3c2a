"""What a balancing hook adds to a training step.

Two ResNet-18s at the sizes of CREMA-D (spectrogram 1 x 257 x 188, one image 3 x 224 x 224), concatenation, SGD. Each
case is timed in whole steps, in turn with the others; and since a difference of a per cent drowns in the noise of
whole steps, what the hook itself does is also timed alone, on the same gradients.

Run it from the repository root::

    python -m benchmarks.balancing --batch-size 8 --threads 1
"""
from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch
from mmengine.registry import init_default_scope
from torch import Tensor

from avmm.balancing import NoiseSource
from avmm.registry import HOOKS, MODELS
from avmm.structures import AVDataSample
from benchmarks.timing import in_turn, synchronise

METHODS = {'Normal': None, 'OGM': dict(type='OGM', alpha=0.8), 'OGMGE': dict(type='OGMGE', alpha=0.8)}


def build(method: str, device: torch.device, channels_last: bool):
    """The model, its optimiser and its attached hook."""
    torch.manual_seed(0)
    model = MODELS.build(dict(
        type='AVClassifier', num_classes=6, fusion=dict(type='ConcatFusion'),
        encoders=dict(audio=dict(type='AVResNet18', in_channels=1), visual=dict(type='AVResNet18', in_channels=3))))
    model = model.to(device, memory_format=torch.channels_last if channels_last else torch.preserve_format).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, weight_decay=1e-4)
    hook = HOOKS.build(METHODS[method]) if METHODS[method] else None
    if hook is not None:
        hook.attach(model, optimizer)
    return model, optimizer, hook


def batch(size: int, device: torch.device) -> dict:
    """A batch of noise."""
    return dict(inputs=dict(audio=torch.randn(size, 1, 257, 188, device=device),
                            visual=torch.randn(size, 3, 1, 224, 224, device=device)),
                data_samples=[AVDataSample().set_gt_label(i % 6) for i in range(size)])


def step_of(model, optimizer, data: dict):
    """One whole training step."""
    def step() -> None:
        optimizer.zero_grad()
        model(**data, mode='loss')['loss'].backward()
        optimizer.step()
    return step


def hook_of(hook):
    """What the hook does in a step, alone: read the scores, then edit gradients that are there."""
    def act() -> None:
        hook._seen = None
        hook._collect()
        hook._before_step(None, (), {})
    return act


def draw_of(grads: list[Tensor]):
    """Drawing noise for every gradient that gets some, and nothing else."""
    source = NoiseSource()
    source.start_step()

    def draw() -> None:
        for grad in grads:
            for _ in source.pieces(grad):
                pass
    return draw


def timed(work, device: torch.device, times: int = 1):
    """A case for :func:`in_turn`. On CPU the time that this process got counts, so a busy machine does little harm."""
    clock = time.process_time if device.type == 'cpu' else time.perf_counter

    def case() -> tuple[int, float]:
        synchronise()
        start = clock()
        for _ in range(times):
            work()
        synchronise()
        return times, clock() - start
    return case


def measure(size: int, device: torch.device, repeats: int, channels_last: bool = False) -> dict:
    """Milliseconds of a step and of what the hooks add."""
    data = batch(size, device)
    built = {name: build(name, device, channels_last) for name in METHODS}
    cases = {name: timed(step_of(model, optimizer, data), device) for name, (model, optimizer, _) in built.items()}
    for model, _, _ in built.values():
        model(**data, mode='loss')['loss'].backward()
    hooks = {name: hook for name, (_, _, hook) in built.items() if hook is not None}
    grads = [p.grad for parameters in hooks['OGMGE']._targets.values() for _, p in parameters]
    cases.update({f'{name} hook': timed(hook_of(hook), device, 5) for name, hook in hooks.items()})
    cases['noise alone'] = timed(draw_of(grads), device, 5)
    timings = in_turn(cases, repeats)
    normal, noise = timings['Normal'].median, timings['noise alone'].median
    return dict(
        batch_size=size, device=str(device), ms={name: 1e3 * t.median for name, t in timings.items()},
        spread={name: t.spread for name, t in timings.items()},
        ogm_share=timings['OGM hook'].median / normal,
        noise_share=noise / normal, ogmge_share_beyond_noise=(timings['OGMGE hook'].median - noise) / normal)


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--batch-size', type=int, default=8)
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--channels-last', action='store_true')
    parser.add_argument('--out', type=Path, help='write the figures here too')
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    init_default_scope('avmm')
    figures = measure(args.batch_size, torch.device(args.device), args.repeats, args.channels_last)
    text = json.dumps(figures, indent=2)
    print(text)
    if args.out:
        args.out.write_text(text)


if __name__ == '__main__':
    main()
