"""The four recipes as models, their heads, and official checkpoints."""
from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope

from avmm.evaluation.metrics import CrossModalLocalization
from avmm.models import EventTargets
from avmm.registry import MODELS
from avmm.structures import AVDataSample
from avmm.utils import CheckpointError, ConfigError, DataError
from projects.dmin.dmin import DCMR, DMINSupervisedHead, DMINWeakHead, WindowHead, converter
from projects.dmin.dmin.official_init import TASKS, official_state
from tools.model_converters import convert

BASES = Path(__file__).resolve().parents[1] / 'configs/_base_/models'
CONFIGS = dict(supervised='dimn_supv', weak='dimn_weak', a2v='dcmr_a2v', v2a='dcmr_v2a')
MATCHING = ('a2v', 'v2a')


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope('avmm'):
        yield


def build(task: str, **changes):
    torch.manual_seed(0)
    cfg = Config.fromfile(BASES / f'{CONFIGS[task]}.py')
    cfg.merge_from_dict(dict(model=changes))
    return MODELS.build(cfg.model)


def batch(task: str, size: int = 2, steps: int = 4) -> dict:
    samples = [AVDataSample().set_gt_label(i) for i in range(size)]
    for i, sample in enumerate(samples):
        if task in MATCHING:
            sample.set_gt_mask([t in (1, 2) for t in range(steps)])
        elif task == 'supervised':
            sample.set_gt_segments([28] + [i] * (steps - 1))
    shape = (size, steps, 512) if task in MATCHING else (size, steps, 2, 2, 512)
    return dict(inputs=dict(audio=torch.rand(size, steps, 128), visual=torch.rand(shape)), data_samples=samples)


@pytest.mark.parametrize(('task', 'used', 'dropout'), [
    ('supervised', 11390778, 0.02), ('weak', 11391549, 0.1), ('a2v', 8219393, 0.02), ('v2a', 8219393, 0.06)])
def test_recipe_trains_what_the_official_one_trains(task, used, dropout):
    model = build(task)
    assert sum(p.numel() for p in model.parameters()) == used
    assert {d.layers[0].dropout.p for d in model.decoders.values()} == {dropout}
    model.train()
    total, _ = model.parse_losses(model(**batch(task), mode='loss'))
    total.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    before = model.head.event.weight.clone()
    wrapper = build_optim_wrapper(model, dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-4)))
    assert model.train_step(batch(task), wrapper)['loss'].isfinite()
    assert (model.head.event.weight != before).any()


@pytest.mark.parametrize('task', TASKS)
@pytest.mark.parametrize('size', [1, 3])
def test_prediction_of_any_size(task, size):
    model = build(task, with_attention=True).eval()
    with torch.no_grad():
        samples = model(**batch(task, size, steps=5), mode='predict')
    assert len(samples) == size
    sample = samples[-1]
    if task in MATCHING:
        assert sample.pred_event_logits.shape == (5, )
    else:
        assert sample.pred_segments.shape == (5, ) and set(sample.unimodal_segments) == {'audio', 'visual'}
        assert sample.attention['spatial'].shape == (5, 2, 2)
    for name in ('audio_decoder', 'visual_decoder'):
        torch.testing.assert_close(sample.attention[name].sum(-1), torch.ones(5))


@pytest.mark.parametrize('task', TASKS)
def test_official_weights_there_and_back(task, tmp_path):
    matching = task in MATCHING
    official = {f'module.{name}': value.double() for name, value in official_state(task).items()}
    torch.save(official, tmp_path / 'official.pth.tar')
    kind = ['--kind', 'dcmr' if matching else 'dmin', '--project', 'dmin']
    convert.main([*kind, str(tmp_path / 'official.pth.tar'), str(tmp_path / 'ours.pth'), '--keep-unused'])
    build(task).load_state_dict(torch.load(tmp_path / 'ours.pth')['state_dict'])
    convert.main([*kind, str(tmp_path / 'ours.pth'), str(tmp_path / 'back.pth.tar'), '--to-official'])
    back = torch.load(tmp_path / 'back.pth.tar')
    assert list(back) == list(official)
    assert all(torch.equal(back[name], value) and back[name].dtype == torch.float64
               for name, value in official.items())
    assert len(converter.unused_tensors(official, matching)) == (114 if matching else 68)


@pytest.mark.parametrize('task', ['weak', 'v2a'])
def test_export_of_a_model_of_ours_has_every_official_tensor(task):
    tensors = converter.to_official(build(task).state_dict())
    filled = converter.fill_unused(tensors)
    shapes = {name: value.shape for name, value in official_state(task).items()}
    assert {name: value.shape for name, value in {**tensors, **filled}.items()} == shapes
    template = 'video_encoder.encoder_layer.linear1.weight'
    assert torch.equal(filled[template], tensors['video_encoder.encoder.layers.0.linear1.weight'])


def test_foreign_tensors_are_refused():
    with pytest.raises(CheckpointError, match='conv1.weight'):
        converter.from_official({'module.conv1.weight': torch.zeros(1)})
    with pytest.raises(CheckpointError, match='does not fit the official program'):
        converter.fill_unused({'v_fc.weight': torch.zeros(3, 3)})
    with pytest.raises(ConfigError, match="task is 'all'"):
        official_state('all')


def test_class_layers_of_a_matching_checkpoint():
    state = official_state('a2v')
    model = build('a2v', head=dict(class_layers=True))
    model.load_state_dict(converter.from_official(state, matching=True, class_layers=True))
    inputs = dict(batch('a2v')['inputs'], mask=torch.ones(2, 4, dtype=torch.bool))
    feats = model.extract_feat(inputs)
    outputs = model.head(model.fuse_segments(feats), feats)
    assert outputs['class_logits'].shape == outputs['unimodal_logits'].shape == (2, 28)
    assert torch.equal(model.head.unimodal_classes.weight, state['localize_module.event_self.weight'])


@pytest.mark.parametrize('head', [DMINSupervisedHead, DMINWeakHead])
def test_weight_of_the_unimodal_term(head):
    torch.manual_seed(0)
    segments, feats = torch.rand(2, 3, 256), dict(visual=torch.rand(2, 3, 256))
    targets = EventTargets(torch.tensor([[28, 3, 3], [1, 1, 28]]), torch.tensor([3, 1]))
    joint = 'loss_class' if head is DMINSupervisedHead else 'loss_video'
    half = head(unimodal_weight=0.5)
    outputs = half(segments, feats)
    terms, losses = half.loss_terms(outputs, targets), half.loss(outputs, targets)
    torch.testing.assert_close(losses[joint], terms[joint] / 2)
    torch.testing.assert_close(losses['loss_unimodal'], terms['loss_unimodal'] / 2)
    none = head(unimodal_weight=0.0)
    none.load_state_dict(half.state_dict())
    alone = none.loss(outputs, targets)
    assert 'loss_unimodal' not in alone
    torch.testing.assert_close(alone[joint], terms[joint])
    with pytest.raises(ConfigError, match=f'{head.__name__}.unimodal_weight is 2; it must be from 0 to 1'):
        head(unimodal_weight=2)


def test_dcmr_reads_the_query_only_where_the_event_is():
    """Segments of the query outside the event reach the result through the decoders alone."""
    model = build('a2v').eval()
    data = batch('a2v')
    mask = torch.tensor([[False, True, True, False]]).expand(2, 4)
    feats = model.extract_feat(dict(data['inputs'], mask=mask))
    decoded = model.decode(feats)
    torch.testing.assert_close(model.fuse_segments(feats),
                               model.interaction(decoded['audio'], decoded['visual'], mask))
    backwards = build('v2a').eval()
    backwards.load_state_dict(model.state_dict())
    torch.testing.assert_close(backwards.fuse_segments(feats),
                               model.interaction(decoded['visual'], decoded['audio'], mask))


def test_dcmr_in_the_metric():
    samples = build('a2v').eval()(**batch('a2v', size=3), mode='predict')
    metric = CrossModalLocalization(directions='a2v', source='event_logits')
    metric.process({}, [sample.to_dict() for sample in samples])
    assert 0 <= metric.evaluate(3)['localization/a2v'] <= 100


def test_what_dcmr_refuses():
    with pytest.raises(ConfigError, match="DCMR.direction is 'a2a'; it must be one of a2v, v2a"):
        DCMR(head=dict(type='WindowHead'), direction='a2a')
    model, data = build('a2v'), batch('a2v')
    with pytest.raises(DataError, match="inputs\\['mask'\\]"):
        model(data['inputs'])
    with pytest.raises(ConfigError, match=r'one visual vector a segment \(B, S, D\), got \(2, 4, 2, 2, 512\)'):
        model(dict(data['inputs'], visual=torch.rand(2, 4, 2, 2, 512)))
    with pytest.raises(DataError, match='has no gt_mask; use the matching setting'):
        model(data['inputs'], [AVDataSample(), AVDataSample()], mode='loss')
    with pytest.raises(DataError, match='learns from gt_mask'):
        WindowHead().labels(EventTargets(torch.zeros(1, 2), torch.zeros(1)))


def test_untrained_double_precision_dcmr_answers_the_first_window():
    """With ordinary norms the means of the query vanish, and every score is the bias of the classifier."""
    model = build('a2v', dtype='float64').eval()
    with torch.no_grad():
        logits = torch.stack([s.pred_event_logits for s in model(**batch('a2v'), mode='predict')])
    torch.testing.assert_close(logits, model.head.event.bias.expand_as(logits), atol=1e-9, rtol=0)
