from __future__ import annotations

import pytest
import torch
from mmengine.registry import init_default_scope

from avmm.balancing import MSLRDynamic
from avmm.registry import MODELS
from avmm.testing import build_toy_runner, toy_config
from avmm.utils import ConfigError
from tests.balancing.balance_cases import assert_same, backward, toy_batch, toy_model, train, weights


def test_ratios_wait_for_five_accuracies_and_compare_with_their_mean():
    hook = MSLRDynamic()
    for accuracy in (10, 20, 30, 40, 50):
        assert hook.update_ratios(dict(audio=accuracy, visual=20)) == dict(audio=1.0, visual=1.0)
    assert hook.update_ratios(dict(audio=60, visual=10)) == pytest.approx(dict(audio=2.0, visual=0.5))
    assert hook.update_ratios(dict(audio=60, visual=18))['audio'] == pytest.approx(60 / 40)


def test_an_accuracy_of_zero_sets_no_pace():
    hook = MSLRDynamic(memory=1)
    hook.update_ratios(dict(audio=0))
    assert hook.update_ratios(dict(audio=10)) == dict(audio=1.0)


def test_all_parameters_of_a_branch_are_scaled_and_no_other():
    model, plain = toy_model(batch_norm=True), toy_model(batch_norm=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    hook = MSLRDynamic(factors=dict(audio=0.5, visual=3.0))
    hook.load_state_dict(dict(ratios=dict(audio=0.5), memories={}))
    hook.attach(model, optimizer)
    data = toy_batch()
    backward(model, data)
    backward(plain, data)
    optimizer.step()
    for (name, p), q in zip(model.named_parameters(), plain.parameters(), strict=True):
        factor = 0.25 if 'audio' in name else 3.0 if 'visual' in name else 1.0
        torch.testing.assert_close(p.grad, factor * q.grad)
    assert {k: float(v) for k, v in hook.read_log().items()} == dict(audio=0.25, visual=3.0)


def test_heads_learn_at_the_pace_of_their_modality():
    init_default_scope('avmm')
    model = MODELS.build(dict(type='AVClassifier', num_classes=3, heads=True, fusion=dict(type='ConcatFusion'),
                              encoders=dict(audio=dict(type='SmallConvNet', in_channels=1),
                                            visual=dict(type='SmallConvNet', in_channels=3))))
    targets = MSLRDynamic().targets(model)
    for m, parameters in targets.items():
        names = {name for name, _ in parameters}
        assert f'heads.{m}.weight' in names and not any('fusion' in name for name in names)
        assert all(m in name for name in names)


def test_scaled_gradients_change_with_the_ratio_in_a_run():
    first, second = toy_model(), toy_model()
    hooks = [MSLRDynamic(memory=1), MSLRDynamic(memory=1)]
    for model, hook, accuracies in zip((first, second), hooks, ([50, 50], [50, 100]), strict=True):
        for a in accuracies:
            hook.update_ratios(dict(audio=a, visual=a))
        train(model, [toy_batch()], hook)
    assert float(hooks[1].read_log()['audio']) == pytest.approx(1.8)
    with pytest.raises(AssertionError):
        assert_same(weights(first), weights(second))


def config(tmp_path, **hook):
    return toy_config(tmp_path, val_evaluator=dict(type='AVAccuracy'), train_cfg=dict(max_epochs=4),
                      custom_hooks=[dict(type='MSLRDynamic', memory=2, **hook)])


def test_a_run_takes_the_accuracies_of_its_validations_and_resumes(tmp_path):
    runner = build_toy_runner(config(tmp_path / 'whole'))
    runner.train()
    hook = next(h for h in runner.hooks if isinstance(h, MSLRDynamic))
    assert len(hook.state_dict()['memories']['audio']) == 2 and set(hook.ratios) == {'audio', 'visual'}
    cfg = config(tmp_path / 'parts')
    cfg.update(resume=True, load_from=str(tmp_path / 'whole' / 'epoch_2.pth'))
    resumed = build_toy_runner(cfg)
    resumed.train()
    again = next(h for h in resumed.hooks if isinstance(h, MSLRDynamic))
    assert again.state_dict() == hook.state_dict()
    assert_same(resumed.model.state_dict(), runner.model.state_dict(), atol=0, rtol=0)


def test_a_run_without_validation_is_refused(tmp_path):
    cfg = config(tmp_path)
    cfg.update(val_cfg=None, val_dataloader=None, val_evaluator=None)
    with pytest.raises(ConfigError, match='MSLRDynamic follows the accuracies of the validation, and this'):
        build_toy_runner(cfg).train()


def test_a_validation_without_the_metric_is_refused(tmp_path):
    with pytest.raises(ConfigError, match='the validation gives no mAP/audio and no mAP/visual, only accuracy/'):
        build_toy_runner(config(tmp_path, metric='mAP/{modality}')).train()


@pytest.mark.parametrize(('options', 'message'), [
    (dict(memory=0), 'memory=0 has to be 1 or more'),
    (dict(factors=dict(audio=-1)), 'factors=.* 0 or more'),
    (dict(metric='accuracy'), r"MSLRDynamic\.metric is 'accuracy'; it needs \{modality\}"),
])
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        MSLRDynamic(**options)


def test_an_unknown_modality_is_refused():
    with pytest.raises(ConfigError, match=r"factors names \['flow'\]; ToyAVModel has the modalities"):
        train(toy_model(), [], MSLRDynamic(factors=dict(flow=1.0)))
