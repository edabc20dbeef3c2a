"""Plain reference of inverse-effectiveness fusion: the released training step, with its loops and its waiting.

The input is copied T times before the network, which runs T times on it; scores come from Python lists of single
softmax values; each gradient is edited for itself, with a standard deviation that is read back to the host.
"""
from __future__ import annotations

import functools
import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTHS = (64, 64, 128, 256, 512)


class Block(nn.Module):
    """Normalise, activate, convolve, twice; then add the input."""

    def __init__(self, channels: int, width: int, stride: int):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(channels), nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.bn2, self.conv2 = nn.BatchNorm2d(width), nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.relu = nn.ReLU()
        self.downsample = None
        if stride != 1 or channels != width:
            self.downsample = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(),
                                            nn.Conv2d(channels, width, 1, stride, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(self.relu(self.bn1(x)))
        y = self.conv2(self.relu(self.bn2(y)))
        return y + (x if self.downsample is None else self.downsample(x))


class PlainResNet(nn.Sequential):
    """The stem and four stages of two blocks."""

    def __init__(self, in_channels: int):
        blocks = [block for i, (channels, width) in enumerate(zip(WIDTHS, WIDTHS[1:], strict=False))
                  for block in (Block(channels, width, 1 if i == 0 else 2), Block(width, width, 1))]
        super().__init__(nn.Conv2d(in_channels, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
                         nn.MaxPool2d(3, 2, 1), *blocks)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode='fan_out', nonlinearity='relu')


class PlainModel(nn.Module):
    """Two networks, a classifier on both features, one on each.

    Args:
        num_classes: Number of classes.
        steps: T, how often the networks run on the same input.
    """

    def __init__(self, num_classes: int, steps: int = 1):
        super().__init__()
        self.fc_out = nn.Linear(1024, num_classes)
        self.audio_net, self.visual_net = PlainResNet(1), PlainResNet(3)
        self.audio_fc, self.visual_fc = nn.Linear(512, num_classes), nn.Linear(512, num_classes)
        self.steps = steps

    def forward(self, audio: Tensor, visual: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        audio = audio.unsqueeze(1).repeat(1, self.steps, *[1] * (audio.dim() - 1))
        visual = visual.unsqueeze(1).repeat(1, self.steps, *[1] * (visual.dim() - 1))
        outputs = []
        for t in range(self.steps):
            a, frames = self.audio_net(audio[:, t]), visual[:, t]
            count = frames.shape[2] if frames.dim() == 5 else 1
            if frames.dim() == 5:
                frames = frames.permute(0, 2, 1, 3, 4).flatten(0, 1)
            v = self.visual_net(frames)
            v = v.view(-1, count, *v.shape[1:]).mean(1)
            a, v = (torch.flatten(F.adaptive_avg_pool2d(x, 1), 1) for x in (a, v))
            outputs.append((a, v, self.fc_out(torch.cat([a, v], 1))))
        return tuple(torch.stack(values).mean(0) for values in zip(*outputs, strict=True))


class PlainTraining:
    """The released step.

    Args:
        num_classes: Number of classes.
        steps: T.
        method: ``'Normal'`` or ``'OGM_GE'``.
        inverse: Whether the inverse mechanism is on.
    """

    def __init__(self, num_classes: int, steps: int = 1, method: str = 'Normal', inverse: bool = False):
        self.model = PlainModel(num_classes, steps).train()
        self.method, self.inverse = method, inverse
        plain = [p for p in self.model.parameters() if p.ndim < 2]
        decayed = [p for p in self.model.parameters() if p.ndim >= 2]
        self.optimizer = torch.optim.SGD([dict(params=plain, weight_decay=0.0), dict(params=decayed)], lr=5e-3,
                                         momentum=0.9, nesterov=True, weight_decay=5e-4)

    def step(self, audio: Tensor, visual: Tensor, label: Tensor) -> float:
        """One update; returns the loss."""
        model, loss_of = self.model, nn.CrossEntropyLoss(label_smoothing=0.1)
        a, v, z = model(audio, visual)
        loss = loss_of(z, label)
        half = model.fc_out.bias / 2
        s_a = score(a @ model.fc_out.weight[:, :512].t() + half, label)
        s_v = score(v @ model.fc_out.weight[:, 512:].t() + half, label)
        ratio, alpha = s_v / s_a, 0.8
        k = dict(audio=1.0, visual=1 - torch.tanh(alpha * ratio)) if ratio > 1 else dict(
            audio=1 - torch.tanh(alpha / ratio), visual=1.0)
        if self.inverse:
            z_a, z_v = model.audio_fc(a), model.visual_fc(v)
            loss = loss + loss_of(z_a, label) + loss_of(z_v, label)
            r = (score(z_a, label) + score(z_v, label)) / 2 / score(z, label)
            xi = (1 + torch.tanh(1 - r)).detach()
        self.optimizer.zero_grad()
        loss.backward()
        if self.method == 'OGM_GE':
            for name, p in model.named_parameters():
                layer = str(name).split('.')[0]
                for m, factor in k.items():
                    if m in layer and p.grad is not None and p.grad.dim() == 4:
                        edit(p, factor)
        if self.inverse:
            for p in model.fc_out.parameters():
                edit(p, xi)
        self.optimizer.step()
        return loss.item()


def score(logits: Tensor, label: Tensor) -> Tensor:
    """Sum of the probabilities of the labels, sample by sample."""
    return sum([F.softmax(logits, dim=1)[i][label[i]] for i in range(len(label))])


def edit(p: nn.Parameter, factor: Tensor | float) -> None:
    """Scale a gradient and add noise."""
    factor = factor.detach() if torch.is_tensor(factor) else factor
    std = p.grad.std().item()
    p.grad = p.grad * factor + torch.zeros_like(p.grad).normal_(0, std + 1e-8)


def step(task) -> tuple[Callable, int]:
    """A function that does one step on the first samples of the config's data set, and the samples of a step."""
    from avmm.datasets import av_collate
    from avmm.registry import MODELS
    dataset = task.open_dataset()
    batch = MODELS.build(task.cfg.model.data_preprocessor)(
        av_collate([dataset[i] for i in range(task.batch_size)]), training=True)
    options = task.options
    torch.manual_seed(task.seed)
    training = PlainTraining(task.cfg.model.num_classes, int(options.get('steps', 1)),
                             options.get('method', 'Normal'), options.get('inverse', '0') in ('1', 'True', 'true'))
    visual = batch['inputs']['visual']
    visual = visual.squeeze(2) if visual.dim() == 5 and visual.shape[2] == 1 else visual
    label = torch.tensor([sample.gt_label for sample in batch['data_samples']])
    inputs = [x.to(task.device) for x in (batch['inputs']['audio'].float(), visual.float(), label)]
    training.model.to(task.device)
    return functools.partial(training.step, *inputs), math.prod(label.shape)


#: What ``tools/analysis_tools/benchmark.py`` may ask for.
OFFERS = dict(step=step)
