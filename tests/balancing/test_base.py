from __future__ import annotations

import pytest
import torch
from mmengine.optim import OptimWrapper
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from avmm.balancing import (
    LFM,
    OGM,
    OGMGE,
    BalancingHook,
    InverseEffectiveness,
    MMPareto,
    MSLRDynamic,
    UnimodalLoss,
)
from avmm.utils import ConfigError
from tests.balancing.balance_cases import assert_same, backward, differ, toy_batch, toy_model, train, weights


class NoCrossing(TorchDispatchMode):
    """Fails when a value of a tensor is read by Python."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        assert 'local_scalar_dense' not in str(func) and 'is_nonzero' not in str(func), f'{func} reads a tensor'
        return func(*args, **(kwargs or {}))


FUSION = dict(pattern='^classifier')


@pytest.mark.parametrize(('hook', 'logged'), [
    (OGM(), {'audio', 'visual'}),
    (OGMGE(), {'audio', 'visual'}),
    (MSLRDynamic(), {'audio', 'visual'}),
    (InverseEffectiveness(params=FUSION), {'inverse'}),
    (UnimodalLoss(), set()),
    (LFM(space='logit', weights='fitted'), set()),
    (LFM(space='feature', weights='constant'), set()),
    (MMPareto(), {'audio', 'visual'}),
], ids=lambda value: value.name if isinstance(value, BalancingHook) else '')
def test_no_value_crosses_to_the_host_in_a_step(hook, logged):
    model = toy_model()
    # The one value that training itself reads.
    model.check_finite = lambda total, log_vars: None
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    hook.attach(model, optimizer)
    data = toy_batch()
    with NoCrossing():
        for _ in range(3):
            model.train_step(data, OptimWrapper(optimizer))
        with pytest.raises(AssertionError, match='reads a tensor'):
            float(model.classifier.bias.detach()[0])
    assert set(hook.read_log()) == logged


def test_the_window_holds_both_of_its_ends():
    hook = OGM(starts=2, ends=4)
    model = toy_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    hook.attach(model, optimizer)
    acted = []
    for epoch in range(7):
        hook.set_epoch(epoch)
        backward(model, toy_batch())
        optimizer.step()
        acted.append(bool(hook._log_count))
        hook.read_log()
    assert acted == [False, False, True, True, True, False, False]


def test_after_the_window_the_log_says_that_nothing_is_scaled():
    hook = OGM(starts=1, ends=1)
    model = toy_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    hook.attach(model, optimizer)
    assert hook.read_log() == {}
    hook.set_epoch(1)
    backward(model, toy_batch())
    optimizer.step()
    assert float(min(hook.read_log().values())) < 0.9
    assert hook.read_log() == {}
    hook.set_epoch(2)
    assert hook.read_log() == {'audio': 1.0, 'visual': 1.0}


@pytest.mark.parametrize(('params', 'edited'), [
    (None, {'conv.weight'}),
    (dict(dims=None), {'conv.weight', 'norm.weight', 'norm.bias'}),
    (dict(dims=(1, )), {'norm.weight', 'norm.bias'}),
    (dict(dims=None, pattern=r'^norm\.w'), {'norm.weight'}),
])
def test_parameters_are_chosen_by_dimensions_and_name(params, edited):
    model = toy_model(batch_norm=True)
    hook = OGM(params=params)
    chosen = hook.targets(model)
    assert {m: {n for n, _ in named} for m, named in chosen.items()} == {
        m: {f'encoders.{m}.{n}' for n in edited} for m in ('audio', 'visual')}


def test_parameters_without_gradient_are_skipped():
    model = toy_model()
    model.encoders['audio'].requires_grad_(False)
    before = weights(model)
    train(model, [toy_batch()], OGMGE())
    assert differ(before, weights(model)) == {'encoders.visual.conv.weight', 'classifier.weight', 'classifier.bias'}


def test_detach_leaves_nothing_behind():
    model, plain = toy_model(), toy_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    hook = OGMGE()
    for _ in range(2):
        hook.attach(model, optimizer)
    assert len(model._forward_hooks) == len(optimizer._optimizer_step_pre_hooks) == 1
    hook.detach()
    assert not model._forward_hooks and not optimizer._optimizer_step_pre_hooks
    train(model, [toy_batch()], optimizer=optimizer)
    train(plain, [toy_batch()], optimizer=torch.optim.SGD(plain.parameters(), lr=0.1))
    assert_same(weights(model), weights(plain), rtol=0, atol=0)


def test_evaluation_and_other_modes_are_not_counted():
    model, plain = toy_model(), toy_model()
    hook = OGM()
    for net, balancer in ((model, hook), (plain, OGM())):
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        balancer.attach(net, optimizer)
        backward(net, toy_batch())
        if net is model:
            net(**toy_batch(8, 5), mode='tensor')
            net.eval()(**toy_batch(8, 6), mode='predict')
            net.train()
        optimizer.step()
    assert_same(weights(model), weights(plain), rtol=0, atol=0)


def test_a_loss_in_evaluation_leaves_the_scores_alone():
    model = toy_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    hook = OGM(alpha=0.5)
    hook.attach(model, optimizer)
    backward(model, toy_batch(8, 0))
    kept = hook._scores.clone()
    model.eval()
    model(**toy_batch(8, 1), mode='loss')
    assert torch.equal(hook._scores, kept)


def test_restarted_as_at_the_start():
    class Counting(OGM):
        count = 0

        def state_dict(self):
            return dict(count=self.count)

        def load_state_dict(self, state):
            self.count = state['count']

    model, hook = toy_model(), Counting(alpha=0.5)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    hook.before_run(None)
    train(model, [toy_batch(8, 0)], hook, optimizer)
    hook.count = 5
    hook.restart()
    assert (hook.count, hook._scores, hook.read_log()) == (0, None, {})
    train(model, [toy_batch(8, 0)], optimizer=optimizer)
    assert hook.read_log()


class Unimodal(nn.Module):
    """Not an AVModel."""


def build(**kwargs):
    model = toy_model(**kwargs)
    return model, torch.optim.SGD(model.parameters(), lr=0.1)


def test_a_model_without_the_protocol_is_refused():
    with pytest.raises(ConfigError, match='OGM needs a model that follows avmm.models.AVModel, Unimodal does not'):
        OGM().attach(Unimodal(), build()[1])


def test_a_model_without_joint_logits_is_refused():
    model, optimizer = build()
    model.joint_step = False
    with pytest.raises(ConfigError, match=r'OGM needs joint logits in every training step, ToyAVModel has none'):
        OGM().attach(model, optimizer)


def test_a_model_of_one_modality_is_refused():
    with pytest.raises(ConfigError, match=r"OGM compares 2 modalities or more, ToyAVModel has \['audio'\]"):
        OGM().attach(*build(modalities=('audio', )))


def test_a_rule_that_leaves_a_branch_empty_is_refused():
    with pytest.raises(ConfigError, match=r"OGM: no parameter of the branch 'audio' has 5 dimensions and a name with "
                                          r"'conv'; choose with params="):
        OGM(params=dict(dims=(5, ), pattern='conv')).attach(*build())


def test_sharded_parameters_are_refused(tmp_path):
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import DTensor, Replicate
    torch.distributed.init_process_group('gloo', init_method=f'file://{tmp_path}/store', rank=0, world_size=1)
    try:
        model, optimizer = build()
        mesh = init_device_mesh('cpu', (1, ))
        model.classifier.weight = nn.Parameter(DTensor.from_local(model.classifier.weight.detach(), mesh,
                                                                  [Replicate()]))
        with pytest.raises(ConfigError, match='OGM acts on whole parameters, and this model is sharded by FSDP'):
            OGM().attach(model, optimizer)
    finally:
        torch.distributed.destroy_process_group()


def test_a_step_that_the_model_did_not_record_is_refused():
    model, optimizer = build()
    OGM().attach(model, optimizer)
    model(**toy_batch(), mode='tensor').sum().backward()
    with pytest.raises(ConfigError, match=r'the model recorded no training step since the last update; its loss\(\) '):
        optimizer.step()


class Scale(BalancingHook):
    """A method without scores: factors by modality."""

    def __init__(self, calls, factor, **options):
        super().__init__(**options)
        self.calls, self.factor = calls, factor

    def coefficients(self, scores):
        self.calls.append(self.name)
        return {m: torch.tensor(self.factor) for m in self.model.modalities}


def test_several_hooks_act_in_their_order():
    calls = []
    model, optimizer = build()
    first, second = Scale(calls, 2.0, name='first', starts=1), Scale(calls, 0.25, name='second')
    first.attach(model, optimizer)
    second.attach(model, optimizer)
    for epoch in range(2):
        for hook in (first, second):
            hook.set_epoch(epoch)
        optimizer.zero_grad()
        backward(model, toy_batch())
        before = model.encoders['audio'].conv.weight.grad.clone()
        optimizer.step()
    assert calls == ['second', 'first', 'second']
    torch.testing.assert_close(model.encoders['audio'].conv.weight.grad, before * 0.5)


class EveryPlace(BalancingHook):
    """Features halved, a loss term, no gradients."""

    def edit_feature(self, modality, feature):
        return feature * 0.5 if modality == 'audio' else None

    def loss_term(self, step):
        return 2 * step.feats['audio'].mean()


def test_features_and_objective_are_edited_within_the_window():
    model, optimizer = build()
    plain = toy_model()
    hook = EveryPlace(starts=1, ends=1)
    hook.attach(model, optimizer)
    data = toy_batch()
    for epoch in range(3):
        hook.set_epoch(epoch)
        losses, expected = model(**data, mode='loss'), plain(**data, mode='loss')
        assert ('loss_EveryPlace' in losses) == (epoch == 1)
        factor = 0.5 if epoch == 1 else 1
        torch.testing.assert_close(model.step.feats['audio'], factor * plain.step.feats['audio'])
        torch.testing.assert_close(model.step.feats['visual'], plain.step.feats['visual'])
        if epoch == 1:
            torch.testing.assert_close(losses['loss_EveryPlace'], plain.step.feats['audio'].mean())
        else:
            torch.testing.assert_close(losses['loss_cls'], expected['loss_cls'])
    model.eval()
    hook.set_epoch(1)
    torch.testing.assert_close(model(data['inputs']), plain.eval()(data['inputs']))
    hook.detach()
    assert not model._loss_terms


class OwnStep(BalancingHook):
    """Does the whole update."""

    def train_step(self, model, data, optim_wrapper):
        return dict(loss=torch.zeros(()), done=torch.ones(()))


def test_a_method_may_do_the_whole_update():
    model, optimizer = build()
    hook = OwnStep(ends=0)
    hook.attach(model, optimizer)
    assert float(model.train_step({}, None)['done']) == 1
    with pytest.raises(ConfigError, match='OwnStep does the whole update itself, and another hook does so already'):
        OwnStep().attach(model, optimizer)
    hook.set_epoch(1)
    assert model.train_step_policy is None


def test_compiled_forward_keeps_the_hook():
    first, second = toy_model(), toy_model()
    data = toy_batch()
    results = []
    for model, compiled in ((first, False), (second, True)):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        OGM().attach(model, optimizer)

        def forward(model=model):
            return model(**data, mode='loss')['loss_cls']
        run = torch.compile(forward, backend='eager') if compiled else forward
        for _ in range(2):
            optimizer.zero_grad()
            run().backward()
            optimizer.step()
        results.append(weights(model))
    assert_same(*results, rtol=1e-5, atol=1e-7)
