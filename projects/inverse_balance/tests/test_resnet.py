"""The ResNet over time: one pass for several equal ones, and a loop over the steps in one pass."""
from __future__ import annotations

import copy

import pytest
import torch
from mmengine.registry import init_default_scope
from torch import nn

from avmm.registry import MODELS
from avmm.utils import ConfigError
from projects.inverse_balance.inverse_balance import PreActResNet18, StepBatchNorm2d

IMAGES = torch.rand(3, 1, 32, 40, generator=torch.Generator().manual_seed(0))


def build(seed=0, **options):
    init_default_scope('avmm')
    torch.manual_seed(seed)
    return MODELS.build(dict(type='PreActResNet18', in_channels=1, **options)).train()


def statistics(net):
    return {name: value for name, value in net.state_dict().items() if 'running' in name or 'num_batches' in name}


def assert_equal_nets(first, second, rtol=1e-5, atol=1e-6):
    for (name, one), other in zip(first.state_dict().items(), second.state_dict().values(), strict=True):
        torch.testing.assert_close(one, other, rtol=rtol, atol=atol, msg=lambda text, n=name: f'{n}: {text}')


@pytest.mark.parametrize('inner', [1, 3])
def test_equal_outer_steps_are_one_pass_with_the_statistics_of_all(inner):
    node = dict(type='LIFNode') if inner > 1 else None
    once, loop = build(steps=4, inner_steps=inner, node=node), build(inner_steps=inner, node=node)
    ours = once(IMAGES)
    theirs = torch.stack([loop(IMAGES) for _ in range(4)]).mean(0)
    torch.testing.assert_close(ours, theirs)
    assert int(once.bn1.num_batches_tracked) == 4 * inner
    assert_equal_nets(once, loop)
    ours.square().sum().backward()
    theirs.square().sum().backward()
    for p, q in zip(once.parameters(), loop.parameters(), strict=True):
        if p.grad is not None:
            torch.testing.assert_close(p.grad, q.grad, rtol=1e-3, atol=1e-4 * float(q.grad.abs().max()) + 1e-6)


class _Looped(nn.Module):
    """The network step by step, with membranes and statistics that go on: a plain loop over time."""

    def __init__(self, net: PreActResNet18, steps: int):
        super().__init__()
        self.net, self.steps = copy.deepcopy(net), steps
        for name, module in list(self.net.named_modules()):
            if hasattr(module, 'threshold'):
                parent = self.net.get_submodule(name.rpartition('.')[0])
                setattr(parent, name.rpartition('.')[2], _Persistent(module))
            elif isinstance(module, StepBatchNorm2d):
                module.updates = module.repeats = 1
        self.net.unrolled = 1

    def forward(self, x):
        return torch.stack([self.net.encode(x) for _ in range(self.steps)], 1)


class _Persistent(nn.Module):

    def __init__(self, node):
        super().__init__()
        self.node, self.u = node, 0.0

    def forward(self, x):
        u = self.node.charge(self.u if torch.is_tensor(self.u) else torch.zeros_like(x), x)
        spike = self.node.act_fun(u - self.node.threshold)
        self.u = u * (1 - spike.detach())
        return spike


@pytest.mark.parametrize('train', [True, False])
def test_membranes_that_persist_are_a_loop_over_time(train):
    net = build(steps=3, reset_each_step=False, node=dict(type='LIFNode', threshold=0.3))
    with torch.no_grad():
        # Statistics of the images, or nothing fires in evaluation.
        for _ in range(10):
            net(IMAGES)
    loop = _Looped(net, 3).train(train)
    net.train(train)
    ours, theirs = net(IMAGES), loop(IMAGES)
    assert ours.shape == (3, 3, 512) and not torch.allclose(ours[:, 0], ours[:, 2])
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    for name, value in statistics(net).items():
        torch.testing.assert_close(value, loop.net.state_dict()[name], rtol=1e-4, atol=1e-6)


def test_common_statistics_of_all_steps_are_an_option():
    apart = build(steps=2, reset_each_step=False, node=dict(type='LIFNode'))
    joint = build(steps=2, reset_each_step=False, node=dict(type='LIFNode'), joint_norm=True)
    assert not torch.allclose(apart(IMAGES), joint(IMAGES))
    assert int(joint.layer4[1].bn2.num_batches_tracked) == 1 and int(apart.layer4[1].bn2.num_batches_tracked) == 2
    joint.load_state_dict(apart.state_dict())
    torch.testing.assert_close(apart.eval()(IMAGES), joint.eval()(IMAGES))


@pytest.mark.parametrize('encoding', ['rate', 'ttfs', 'phase'])
def test_encoded_images_train(encoding):
    net = build(inner_steps=4, node=dict(type='LIFNode'), encoding=encoding)
    net(IMAGES).sum().backward()
    assert int(net.bn1.num_batches_tracked) == 4 and net.conv1.weight.grad is not None


def test_clips_are_averaged_over_frames_with_steps_or_without():
    clip = torch.rand(2, 1, 3, 32, 32)
    assert build()(clip).shape == (2, 512)
    net = build(steps=4, reset_each_step=False, node=dict(type='IFNode')).eval()
    frames = torch.stack([net(clip[:, :, i]) for i in range(3)]).mean(0)
    torch.testing.assert_close(net(clip), frames, rtol=1e-4, atol=1e-5)


def test_maps_are_averaged_over_steps():
    net = build(inner_steps=2, node=dict(type='LIFNode')).eval()
    maps = net.feature_maps(IMAGES)
    assert maps.shape[:2] == (3, 512)
    torch.testing.assert_close(net(IMAGES), maps.mean((2, 3)), rtol=1e-4, atol=1e-5)


def test_channels_last_gives_the_same_numbers():
    plain, last = build(), build(channels_last=True)
    assert last.layer3[0].conv1.weight.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(last(IMAGES), plain(IMAGES), rtol=1e-4, atol=1e-4)
    last.load_state_dict(plain.state_dict())
    assert last.layer3[0].conv1.weight.is_contiguous(memory_format=torch.channels_last)


def test_what_is_there_for_loading_only_is_frozen():
    net = build(node=dict(type='LIFNode'))
    frozen = {name for name, p in net.named_parameters() if not p.requires_grad}
    assert frozen == {name for name in net.state_dict() if name.startswith('fc.') or
                      name.endswith(('threshold', 'act_fun.alpha'))}


@pytest.mark.parametrize(('options', 'message'), [
    (dict(steps=0), 'steps=0, inner_steps=1; both are 1 or more'),
    (dict(encoding='burst'), "encoding='burst' is unknown; use one of direct, rate, ttfs, phase"),
    (dict(reset_each_step=False, inner_steps=2), 'inner_steps=2 needs reset_each_step=True'),
    (dict(steps=2, encoding='rate'), "encoding='rate' draws anew in each step"),
])
def test_contradictions_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        build(**options)


@pytest.mark.parametrize(('steps', 'repeats'), [(1, 3), (2, 1), (2, 5)])
def test_running_statistics_are_those_of_all_passes(steps, repeats):
    ours, theirs = StepBatchNorm2d(4, steps, repeats), nn.BatchNorm2d(4)
    x = torch.randn(steps * 6, 4, 3, 3) * torch.arange(1, steps * 6 + 1).view(-1, 1, 1, 1)
    y = ours(x)
    for _ in range(repeats):
        expected = torch.cat([theirs(part) for part in x.chunk(steps)])
    torch.testing.assert_close(y, expected)
    torch.testing.assert_close(ours.running_var, theirs.running_var)
    torch.testing.assert_close(ours.running_mean, theirs.running_mean)
    assert int(ours.num_batches_tracked) == int(theirs.num_batches_tracked) == steps * repeats
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))
