from __future__ import annotations

import numpy as np
import pytest
import torch

from avmm.models.data_preprocessors import AVDataPreprocessor, BatchMixup, BatchNoise
from avmm.registry import MODELS
from avmm.structures import AVDataSample
from avmm.utils import ConfigError

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def samples(*labels):
    return [AVDataSample().set_gt_label(label) for label in labels]


def pixels(*shape):
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))


@pytest.mark.parametrize('shape', [(2, 3, 4, 5), (2, 3, 1, 4, 5)])
def test_uint8_is_scaled_and_normalised(shape):
    preprocess = MODELS.build(dict(type='AVDataPreprocessor', normalize=dict(visual=dict(mean=MEAN, std=STD))))
    x = pixels(*shape)
    out = preprocess(dict(inputs=dict(visual=x), data_samples=samples(0, 1)))
    axes = (1, 3, *(1, ) * (len(shape) - 2))
    expected = (x.float() / 255 - torch.tensor(MEAN).reshape(axes)) / torch.tensor(STD).reshape(axes)
    assert torch.allclose(out['inputs']['visual'], expected, atol=1e-6)
    assert [s.gt_label for s in out['data_samples']] == [0, 1]


def test_audio_is_normalised_by_one_number():
    preprocess = AVDataPreprocessor(normalize=dict(audio=dict(mean=-5, std=4)))
    audio = torch.randn(2, 1, 6, 7)
    assert torch.allclose(preprocess(dict(inputs=dict(audio=audio)))['inputs']['audio'], (audio + 5) / 4, atol=1e-6)


def test_without_options_uint8_becomes_float_and_float_stays():
    out = AVDataPreprocessor()(dict(inputs=dict(audio=torch.full((1, 2), 7.0), visual=pixels(1, 3, 2, 2))))['inputs']
    assert out['audio'].tolist() == [[7, 7]]
    assert torch.equal(out['visual'], pixels(1, 3, 2, 2).float() / 255)


def test_lists_are_stacked_where_they_can_be():
    preprocess = AVDataPreprocessor(normalize=dict(visual=dict(mean=MEAN, std=STD)))
    x = pixels(2, 3, 4, 5)
    whole = preprocess(dict(inputs=dict(visual=x)))['inputs']['visual']
    assert torch.equal(preprocess(dict(inputs=dict(visual=list(x))))['inputs']['visual'], whole)
    parts = preprocess(dict(inputs=dict(visual=[x[0], x[1, :, :2]])))['inputs']['visual']
    assert torch.equal(parts[0], whole[0]) and torch.equal(parts[1], whole[1, :, :2])


def test_presence_of_modalities_passes_through():
    present = {'audio': torch.tensor([True, False])}
    out = AVDataPreprocessor()(dict(inputs=dict(audio=torch.zeros(1, 2), present=present)))
    assert out['inputs']['present']['audio'].tolist() == [True, False]


def test_buffers_are_not_in_checkpoints():
    assert not AVDataPreprocessor(normalize=dict(visual=dict(mean=MEAN, std=STD))).state_dict()


def test_wrong_statistics():
    with pytest.raises(ConfigError, match=r'normalize\.visual takes mean and std, std above 0'):
        AVDataPreprocessor(normalize=dict(visual=dict(mean=MEAN, std=[1, 0, 1])))
    with pytest.raises(ConfigError, match=r'normalize\.visual takes mean and std'):
        AVDataPreprocessor(normalize=dict(visual=dict(average=MEAN)))
    preprocess = AVDataPreprocessor(normalize=dict(audio=dict(mean=MEAN, std=STD)))
    with pytest.raises(ConfigError, match=r'normalize\.audio has 3 numbers, the input has 1 channels'):
        preprocess(dict(inputs=dict(audio=torch.zeros(2, 1, 4, 4))))


def test_mixup_mixes_all_modalities_and_targets_alike():
    torch.manual_seed(1)
    eye = torch.eye(4)
    inputs, mixed = BatchMixup(num_classes=4, alpha=1.0)(dict(audio=eye.clone(), visual=2 * eye), samples(0, 1, 2, 3))
    scores = torch.stack([s.gt_score for s in mixed])
    for modality, factor in (('audio', 1), ('visual', 2)):
        assert torch.allclose(inputs[modality], factor * scores, atol=1e-6)
    assert torch.allclose(scores.sum(1), torch.ones(4)) and ((scores > 0) & (scores < 1)).sum() >= 4
    assert [s.gt_label for s in mixed] == [0, 1, 2, 3]


def test_mixup_takes_soft_and_multiple_labels():
    torch.manual_seed(0)
    soft = AVDataSample().set_gt_score(torch.tensor([0.25, 0.75, 0]))
    many = AVDataSample().set_gt_label((0, 2))
    _, out = BatchMixup(3, prob=0)(dict(audio=torch.zeros(2, 1)), [soft, many])
    assert [s.gt_score.tolist() for s in out] == [[0.25, 0.75, 0], [1, 0, 1]]


def test_mixup_leaves_batches_with_absent_modalities():
    inputs = dict(audio=torch.ones(1, 2), present={'audio': torch.tensor([True, False])})
    out, mixed = BatchMixup(2)(inputs, samples(0, 1))
    assert out is inputs and [s.gt_score.tolist() for s in mixed] == [[1, 0], [0, 1]]


def test_mixup_follows_the_seed():
    batches = []
    for _ in range(2):
        torch.manual_seed(3)
        batches.append(BatchMixup(2)(dict(audio=torch.arange(8.0).reshape(8, 1)), samples(*[0] * 8))[0]['audio'])
    assert torch.equal(*batches)


@pytest.mark.parametrize(('make', 'message'), [
    (lambda: BatchMixup(2, alpha=0), r'BatchMixup\.alpha must be above 0'),
    (lambda: BatchMixup(2, prob=2), r'BatchMixup\.prob must lie in 0 to 1'),
    (lambda: BatchMixup(2)(dict(audio=[torch.zeros(1), torch.zeros(2)]), samples(0, 1)), 'those of audio differ'),
])
def test_wrong_mixup(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_noise_has_the_power_that_is_asked_for():
    torch.manual_seed(0)
    x = torch.randn(4, 3, 32, 32) * 5
    noise = BatchNoise(snr=3)(dict(visual=x), [])[0]['visual'] - x
    assert 10 * torch.log10(x.square().mean() / noise.square().mean()).item() == pytest.approx(3, abs=0.1)
    parts = BatchNoise(snr=3)(dict(visual=[x[0], x[1, :, :5]]), [])[0]['visual']
    assert [p.shape for p in parts] == [(3, 32, 32), (3, 5, 32)]
    assert BatchNoise(3)({}, []) == ({}, [])


def test_augments_belong_to_training_or_evaluation():
    preprocess = AVDataPreprocessor(batch_augments=[dict(type='BatchMixup', num_classes=2)],
                                    eval_augments=[dict(type='BatchNoise', snr=0, modality='audio')])
    data = dict(inputs=dict(audio=torch.ones(2, 50)), data_samples=samples(0, 1))
    evaluated = preprocess(data)
    assert 'gt_score' not in evaluated['data_samples'][0] and evaluated['inputs']['audio'].std() > 0.5
    trained = preprocess(data, training=True)
    assert 'gt_score' in trained['data_samples'][0] and torch.equal(trained['inputs']['audio'], torch.ones(2, 50))


def test_inputs_within_inputs_are_treated_alike():
    preprocess = AVDataPreprocessor(normalize=dict(audio=dict(mean=1.0, std=2.0)))
    inputs = dict(audio=torch.ones(2, 1, 3), negative=dict(audio=torch.full((2, 1, 3), 3.0)))
    negative = preprocess(dict(inputs=inputs, data_samples=[]))['inputs']['negative']['audio']
    assert negative.eq(1).all()
