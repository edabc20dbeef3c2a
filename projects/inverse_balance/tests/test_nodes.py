"""Nodes, surrogates and encodings: by hand, step by step."""
from __future__ import annotations

import copy

import pytest
import torch
from mmengine.registry import init_default_scope

from avmm.registry import MODELS
from avmm.utils import ConfigError
from projects.inverse_balance.inverse_balance import (
    ENCODINGS,
    AtanGrad,
    IFNode,
    LIFNode,
    PLIFNode,
    QGateGrad,
    ReLUNode,
    SigmoidGrad,
)


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('avmm')


def test_a_leaky_membrane_fires_above_the_threshold_and_is_emptied():
    node = LIFNode(steps=4)
    x = torch.tensor([[1.0], [1.0], [0.2], [3.0]])
    # 0.5 is not above 0.5; then 0.75 fires, 0.1 and 1.55.
    spikes, membrane = node.integrate(x)
    assert spikes.squeeze(1).tolist() == [0, 1, 0, 1] and membrane.tolist() == [0]
    assert IFNode(steps=3).integrate(torch.full((3, 1), 0.25))[0].squeeze(1).tolist() == [0, 0, 1]


def test_a_node_starts_empty_in_each_call_and_can_be_copied():
    node = LIFNode(steps=2)
    x = torch.full((2 * 3, 4), 0.6)
    first = node(x)
    assert torch.equal(first, node(x)) and torch.equal(copy.deepcopy(node)(x), first)
    assert first.shape == x.shape and not first[:3].any()


def test_gradients_pass_through_the_membrane_and_not_through_the_reset():
    node = LIFNode(steps=2)
    x = torch.tensor([[1.3], [0.4]], requires_grad=True)
    spikes, _ = node.integrate(x)
    assert spikes.squeeze(1).tolist() == [1, 0]
    slope = lambda u: max(0.0, 2 - 4 * abs(u - 0.5))  # noqa: E731
    spikes.sum().backward()
    # The second membrane starts from (1 - s) u, whose derivative by u is 1 - s = 0.
    torch.testing.assert_close(x.grad.squeeze(1), torch.tensor([slope(0.65) / 2, slope(0.2) / 2]))


def test_the_leak_and_the_sharpness_are_learned_in_plif():
    node = PLIFNode(tau=3.0, steps=3)
    assert float(node.w.sigmoid()) == pytest.approx(1 / 3)
    node.integrate(torch.rand(3, 5) * 3)[0].sum().backward()
    assert node.w.grad is not None and node.act_fun.alpha.grad is not None and node.threshold.grad is None


def test_a_rectifier_is_the_same_in_all_steps():
    x = torch.randn(6, 4)
    assert torch.equal(ReLUNode(steps=3)(x), x.relu()) and list(ReLUNode().state_dict()) == ['threshold']


def test_surrogates_differ_at_the_threshold():
    zero = torch.zeros(1)
    assert float(QGateGrad()(zero)) == 0 and float(SigmoidGrad()(zero)) == 1


def test_the_slope_for_alpha_is_that_of_the_smooth_function():
    x = torch.randn(50, dtype=torch.float64)
    function = AtanGrad(alpha=1.7, trainable=True).double()
    function(x).sum().backward()
    smooth = [float((torch.atan(torch.pi / 2 * alpha * x) / torch.pi).sum()) for alpha in (1.7 - 1e-6, 1.7 + 1e-6)]
    assert float(function.alpha.grad) == pytest.approx((smooth[1] - smooth[0]) / 2e-6, rel=1e-6)


@pytest.mark.parametrize('name', ['QGateGrad', 'GateGrad', 'AtanGrad', 'SigmoidGrad', 'ReLUGrad'])
def test_surrogates_keep_the_type_and_have_a_slope_of_area_one_or_their_own(name):
    function = MODELS.build(dict(type=name))
    x = torch.linspace(-200, 200, 400001, dtype=torch.float64, requires_grad=True)
    y = function.double()(x)
    assert y.dtype == torch.float64 and set(y.unique().tolist()) == {0, 1}
    y.sum().backward()
    area = float(x.grad.sum()) * 1e-3
    # The rectangle has the area 2/alpha, that of a rectifier grows with the range.
    assert area == pytest.approx(400 if name == 'ReLUGrad' else 1, rel=1e-2)


@pytest.mark.parametrize(('cfg', 'message'), [
    (dict(type='LIFNode', tau=0.5), r'LIFNode\.tau is 0\.5; below 1'),
    (dict(type='PLIFNode', tau=1.0), r'PLIFNode\.tau is 1\.0; it must be more than 1'),
    (dict(type='IFNode', steps=0), r'IFNode\.steps is 0'),
    (dict(type='QGateGrad', alpha=0), r'QGateGrad\.alpha is 0'),
    (dict(type='GateGrad', trainable=True), 'GateGrad has no slope for alpha'),
])
def test_impossible_options_are_refused(cfg, message):
    with pytest.raises(ConfigError, match=message):
        MODELS.build(cfg)


def test_the_direct_code_repeats_the_image():
    image = torch.rand(2, 1, 3, 3)
    assert torch.equal(ENCODINGS['direct'](image, 3), torch.stack([image] * 3))


def test_the_rate_code_fires_as_often_as_the_pixel_is_bright():
    torch.manual_seed(0)
    image = torch.tensor([0.0, 0.2, 0.9, 1.0]).view(1, 1, 1, 4)
    rates = ENCODINGS['rate'](image, 2000).mean(0).flatten()
    torch.testing.assert_close(rates, image.flatten(), atol=0.03, rtol=0)


def test_bright_pixels_fire_first_and_once():
    image = torch.tensor([1.0, 0.8, 0.5, 0.3, 0.0]).view(1, 1, 1, 5)
    code = ENCODINGS['ttfs'](image, 4).squeeze()
    expected = torch.zeros(4, 5)
    expected[0, 0], expected[0, 1], expected[2, 2], expected[2, 3] = 1, 1, 1 / 3, 1 / 3
    torch.testing.assert_close(code, expected)


def test_the_phase_code_spells_the_binary_digits():
    values = torch.tensor([0.0, 0.5, 0.75, 1 / 256, 1.0])
    code = ENCODINGS['phase'](values.view(1, 1, 1, 5), 10).squeeze()
    digits = (code > 0).int()
    assert digits[:8, 2].tolist() == [1, 1, 0, 0, 0, 0, 0, 0] and digits[7, 3] == 1 and digits[:8, 4].all()
    assert code[:2, 2].tolist() == [1.0, 0.5] and torch.equal(code[8:], code[:2])
    weights = 2.0 ** -torch.arange(1, 9)
    torch.testing.assert_close((digits[:8] * weights[:, None]).sum(0), values.clamp(max=255 / 256))
