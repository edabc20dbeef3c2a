"""The harness itself: the seeded arrays, what it finds, and that a wrong model does not pass."""
from __future__ import annotations

import zlib
from pathlib import Path
from types import SimpleNamespace

import golden
import harness
import numpy as np
import pytest
import torch
from inverse_balance_common import FUSIONS, SeededNoise
from mmengine.registry import DefaultScope

from avmm.models.fusion import ConcatFusion, classifier_to_official
from avmm.registry import MODELS

FUSION_CASE = harness.STORED / 'inverse_balance' / 'fusion_concat.npz'


def _checksum(values: np.ndarray) -> int:
    return zlib.crc32(np.ascontiguousarray(values).tobytes())


@pytest.mark.parametrize(('kind', 'checksum'), [('normal', 2942527805), ('uniform', 418906788), ('relu', 2097421090)])
def test_arrays_are_those_of_the_reference(kind, checksum):
    values = golden.array('audio.0', (3, 5), 7, kind)
    assert values.dtype == np.float32
    assert _checksum(values) == checksum


@pytest.mark.parametrize(('name', 'shape', 'checksum'), [
    ('layer1.0.conv1.weight', (4, 3, 3, 3), 3830758778), ('bn1.weight', (6, ), 1249446418),
    ('fc.bias', (6, ), 248002428), ('bn1.running_mean', (6, ), 582051570), ('bn1.running_var', (6, ), 1844861213),
    ('node1.threshold', (), 3322726480)])
def test_weights_are_those_of_the_reference(name, shape, checksum):
    values = golden.state_dict({name: [list(shape), 'float32']}, 3)[name]
    assert values.dtype == np.float32 and values.shape == shape
    assert _checksum(values) == checksum


def test_integer_tensors_are_zero():
    assert golden.tensor_value('bn1.num_batches_tracked', (), 'int64', 0) == np.int64(0)


def _write(path: Path, options: dict | None = None, **outputs) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    golden.save(path, dict(project=path.parent.name, case=path.stem, options=options or {}, what='a toy'), outputs)
    return path


def _adapter(**outputs) -> SimpleNamespace:
    """An adapter that knows the outputs by heart; a callable gets the type."""
    def run(meta, inputs, state, dtype):
        return {name: value(dtype) if callable(value) else value for name, value in outputs.items()}
    return SimpleNamespace(run=run)


def test_a_case_round_trips(tmp_path):
    meta = dict(project='p', case='c', seed=5, inputs={'x': [[2], 'normal']}, options={'a': 1})
    golden.save(tmp_path / 'c.npz', meta, {'y': [1.0]}, given={'label': [3]})
    read, inputs, outputs = golden.load(tmp_path / 'c.npz')
    assert read['options'] == {'a': 1} and read['atol'] == 1e-5
    np.testing.assert_array_equal(inputs['x'], golden.array('x', [2], 5))
    assert inputs['label'].tolist() == [3] and outputs['y'].tolist() == [1.0]


def test_cases_are_found_in_all_folders(tmp_path, monkeypatch):
    given, real = tmp_path / 'given', tmp_path / 'real'
    _write(given / 'p' / 'one.npz', y=1.0)
    _write(real / 'golden_real' / 'inverse_balance' / 'two.npz', y=1.0)
    _write(real / 'golden_real' / 'not_built' / 'three.npz', y=1.0)
    monkeypatch.setenv('AVMM_PARITY_DIR', str(given))
    monkeypatch.setenv('AVMM_REAL_DATA', str(real))
    names = [case.name for case in harness.find_cases()]
    assert {'p/one', 'inverse_balance/two', 'inverse_balance/fusion_concat'} <= set(names)
    assert 'not_built/three' not in names
    assert len(names) == len(set(names))


def test_a_copy_runs_once_and_a_namesake_runs_too(tmp_path):
    first = _write(tmp_path / 'first' / 'p' / 'c.npz', y=1.0)
    copy = tmp_path / 'copy' / 'p' / 'c.npz'
    copy.parent.mkdir(parents=True)
    copy.write_bytes(first.read_bytes())
    _write(tmp_path / 'other' / 'p' / 'c.npz', y=2.0)
    names = [case.name for case in harness.find_cases([tmp_path / 'first', tmp_path / 'copy', tmp_path / 'other'])]
    assert names == ['p/c', 'p/c@other']


def test_a_wrong_model_fails(monkeypatch):
    adapter = harness.adapter_of('inverse_balance')
    assert harness.check_case(FUSION_CASE, adapter) == {}
    right = ConcatFusion.joint_logits
    monkeypatch.setattr(ConcatFusion, 'joint_logits', lambda self, feats: 1.001 * right(self, feats))
    with pytest.raises(AssertionError, match=r'float32: z\[\d, \d\] is .*the reference .*values are off'):
        harness.check_case(FUSION_CASE, adapter)


def test_a_model_with_exchanged_modalities_fails(monkeypatch):
    adapter = harness.adapter_of('inverse_balance')
    monkeypatch.setitem(FUSIONS, 'film', dict(type='FiLMFusion', condition='visual'))
    with pytest.raises(AssertionError, match='grad_a'):
        harness.check_case(FUSION_CASE.with_name('fusion_film.npz'), adapter)


def test_a_missing_output_fails(tmp_path):
    path = _write(tmp_path / 'p' / 'c.npz', y=1.0, z=2.0)
    with pytest.raises(AssertionError, match='float32: z is missing'):
        harness.check_case(path, _adapter(y=1.0))


def test_a_case_without_adapter_fails():
    with pytest.raises(harness.Unclaimed, match="'no_such_project' has no adapter"):
        harness.adapter_of('no_such_project')


def test_a_case_that_the_adapter_does_not_claim_fails(tmp_path):
    path = _write(tmp_path / 'inverse_balance' / 'unheard_of.npz', y=1.0)
    with pytest.raises(harness.Unclaimed, match="claims the case 'unheard_of'"):
        harness.check_case(path, harness.adapter_of('inverse_balance'))


@pytest.mark.parametrize(('got', 'fault'), [
    (np.zeros((2, 2)), r'y has shape \(2, 2\), the reference \(3, 2\)'),
    (np.full((3, 2), np.nan), r'y\[0, 0\] is nan'),
    (np.array([[1, 1], [1, 1.5], [1, 1]]), r'y\[1, 1\] is 1.5, the reference 1; .* 1 of 6 values are off'),
])
def test_what_differs_is_named(tmp_path, got, fault):
    path = _write(tmp_path / 'p' / 'c.npz', y=np.ones((3, 2)))
    with pytest.raises(AssertionError, match=fault):
        harness.check_case(path, _adapter(y=got))


@pytest.mark.parametrize('expected', [np.array([1, 2]), np.array(['a', 'b']), np.array([True, False])])
def test_numbers_without_a_point_and_texts_are_compared_exactly(tmp_path, expected):
    path = _write(tmp_path / 'p' / 'c.npz', y=expected)
    assert harness.check_case(path, _adapter(y=expected)) == {}
    with pytest.raises(AssertionError, match='the reference'):
        harness.check_case(path, _adapter(y=expected[::-1]))


def test_tolerances_of_an_output_come_first(tmp_path):
    options = {'tolerances': {'y': [0.5, 0]}, 'tight': {'whole': ['y', 'z'], 'atol': 0.01, 'rtol': 0}}
    path = _write(tmp_path / 'p' / 'c.npz', options, y=1.0, z=1.0)
    assert harness.check_case(path, _adapter(y=1.4, z=1.009)) == {}
    with pytest.raises(AssertionError, match='z is 1.02, .*atol 0.01'):
        harness.check_case(path, _adapter(y=1.4, z=1.02))


def test_the_first_row_is_held_to_the_tight_bounds(tmp_path):
    options = {'tolerances': {'y': [0.5, 0]}, 'tight': {'first_rows_of': ['y'], 'atol': 0.01, 'rtol': 0}}
    path = _write(tmp_path / 'p' / 'c.npz', options, y=np.ones((2, 1)))
    assert harness.check_case(path, _adapter(y=np.array([[1.0], [1.4]]))) == {}
    with pytest.raises(AssertionError, match='first row of y'):
        harness.check_case(path, _adapter(y=np.array([[1.4], [1.0]])))


def test_double_precision_is_held_to_the_tight_bounds(tmp_path):
    options = {'tight': {'dtype': 'float64', 'atol': 1e-9, 'rtol': 0}}
    path = _write(tmp_path / 'p' / 'c.npz', options, y=1.0)
    assert harness.check_case(path, _adapter(y=lambda dtype: 1.0 + (1e-6 if dtype == 'float32' else 0))) == {}
    with pytest.raises(AssertionError, match='float64: y is'):
        harness.check_case(path, _adapter(y=1.0 + 1e-6))


def test_a_case_computed_in_double_precision_is_run_in_it_too(tmp_path):
    path = _write(tmp_path / 'p' / 'c.npz', {'precision': 'float64 (the official precision)'}, y=1.0)
    assert harness.check_case(path, _adapter(y=lambda dtype: 1.0 + (1e-6 if dtype == 'float32' else 1e-10))) == {}
    with pytest.raises(AssertionError, match='float64: y is'):
        harness.check_case(path, _adapter(y=1.0 + 1e-6))


def test_a_miss_that_rounding_decides_is_reported_and_not_raised(tmp_path):
    path = _write(tmp_path / 'toy' / 'steps.npz', a=np.ones(3, 'f4'), b=np.ones(3, 'f4'))
    adapter = _adapter(a=np.full(3, 1.5), b=np.ones(3))
    with pytest.raises(AssertionError, match='float32: a'):
        harness.check_case(path, adapter)
    adapter.UNDECIDED = {'st': ('a', 'b')}
    assert harness.check_case(path, adapter).keys() == {'a'}
    assert 'is 1.5, the reference 1' in harness.check_case(path, adapter)['a']
    adapter.UNDECIDED = {'st': ('b', )}
    with pytest.raises(AssertionError, match='float32: a'):
        harness.check_case(path, adapter)


def test_what_rounding_decides_is_held_to_the_plain_program(tmp_path):
    path = _write(tmp_path / 'toy' / 'steps.npz', a=np.ones(3, 'f4'), b=np.ones(3, 'f4'))
    adapter = _adapter(a=lambda dtype: np.full(3, 1.5 if dtype == 'float64' else 9.0), b=np.ones(3))
    adapter.UNDECIDED = {'steps': ('a', 'b')}
    adapter.plain = lambda meta, inputs, state: dict(a=np.full(3, 1.5))
    assert harness.check_undecided(path, adapter) == {'b': 'the plain program does not have the options'}
    adapter.plain = lambda meta, inputs, state: dict(a=np.full(3, 1.50001))
    with pytest.raises(AssertionError, match='float64, plain program: a'):
        harness.check_undecided(path, adapter)


def test_outputs_that_need_what_is_absent_are_reported(tmp_path, monkeypatch):
    options = {'needs_package': {'y': 'no_such_package_at_all'}, 'needs_real_data': ['z']}
    path = _write(tmp_path / 'p' / 'c.npz', options, x=1.0, y=1.0, z=1.0)
    monkeypatch.delenv('AVMM_REAL_DATA', raising=False)
    absent = harness.check_case(path, _adapter(x=1.0))
    assert absent == {'y': 'the package no_such_package_at_all is not installed',
                      'z': 'AVMM_REAL_DATA names no folder'}
    monkeypatch.setenv('AVMM_REAL_DATA', str(tmp_path))
    with pytest.raises(AssertionError, match='z is missing'):
        harness.check_case(path, _adapter(x=1.0))


def test_slow_cases_are_named_by_the_adapter(monkeypatch):
    case = harness.Case('inverse_balance/fusion_concat', FUSION_CASE)
    assert not harness.is_slow(case)
    monkeypatch.setattr(harness.adapter_of('inverse_balance'), 'SLOW', ('fusion_c', ), raising=False)
    assert harness.is_slow(case)
    assert not harness.is_slow(harness.Case('no_such_project/fusion_concat', FUSION_CASE))


def test_the_adapter_works_in_double_precision():
    meta, inputs, expected = golden.load(FUSION_CASE)
    state = golden.state_dict(meta['state'], meta['seed'])
    got = harness.adapter_of('inverse_balance').run(meta, inputs, state, 'float64')
    assert got['z'].dtype == np.float64
    np.testing.assert_allclose(got['z'], expected['z'], atol=1e-5)


def test_seeded_noise_is_that_of_the_official_parameter():
    with DefaultScope.overwrite_default_scope('avmm'):
        net = MODELS.build(dict(
            type='AVClassifier', num_classes=3, fusion=dict(type='SumFusion'),
            encoders={m: dict(type='SmallConvNet', in_channels=c, widths=(2, )) for m, c in
                      (('audio', 1), ('visual', 3))}))
    noise = SeededNoise(net, seed=4)
    like = torch.zeros(2, 1, 3, 3)
    first, second = noise('encoders.audio.blocks.0.weight', like), noise('encoders.audio.blocks.0.weight', like)
    np.testing.assert_array_equal(first, golden.array('noise.0.audio_net.blocks.0.weight', (2, 1, 3, 3), 4))
    np.testing.assert_array_equal(second, golden.array('noise.1.audio_net.blocks.0.weight', (2, 1, 3, 3), 4))
    assert set(classifier_to_official(net.state_dict(), net.fusion)) >= {'fusion_module.fc_x.weight'}
