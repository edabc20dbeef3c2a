"""Registries: found without imports, children of mmengine's, and helpful about unknown names."""
from __future__ import annotations

import subprocess
import sys

import pytest
from mmengine import registry as mmengine_registry

from avmm import registry
from avmm.registry import DATASETS, HOOKS, INFERENCERS, LOSSES, METRICS, MODELS, OPTIMIZERS, TRANSFORMS, Registry

ALL = [name for name in registry.__all__ if name.isupper()]


@pytest.mark.parametrize('name', ALL)
def test_every_registry_finds_its_places(name):
    own = getattr(registry, name)
    own.import_from_location()
    assert own.scope == 'avmm'
    if name not in ('LOSSES', 'EXTRACTORS'):
        assert own.parent is getattr(mmengine_registry, name)


def test_nothing_has_to_be_imported_by_hand():
    code = ("from avmm.registry import DATASETS, HOOKS, LOSSES, METRICS, MODELS, TRANSFORMS\n"
            "for r, n in [(DATASETS, 'CREMAD'), (TRANSFORMS, 'LogSpectrogram'), (MODELS, 'AVResNet18'),\n"
            "             (LOSSES, 'FocalLoss'), (HOOKS, 'OGMGE'), (METRICS, 'AVAccuracy')]:\n"
            "    print(r.get(n).__name__)\n")
    out = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout.split()
    assert out == ['CREMAD', 'LogSpectrogram', 'AVResNet18', 'FocalLoss', 'OGMGE', 'AVAccuracy']


@pytest.mark.parametrize(('own', 'wrong', 'near'), [
    (DATASETS, 'KineticSound', 'KineticsSounds'), (TRANSFORMS, 'LogSpectogram', 'LogSpectrogram'),
    (MODELS, 'concatfusion', 'ConcatFusion'), (LOSSES, 'CrossEntropy', 'CrossEntropyLoss'), (HOOKS, 'OGM_GE', 'OGMGE'),
    (METRICS, 'AvAccuracy', 'AVAccuracy'), (OPTIMIZERS, 'SDG', 'SGD'),
])
def test_an_unknown_name_gets_the_nearest_known_ones(own, wrong, near):
    with pytest.raises(KeyError, match=rf"'{wrong}' is not in the avmm::{own.name} registry; did you mean .*{near}"):
        own.build(dict(type=wrong))


def test_a_name_like_no_other():
    with pytest.raises(KeyError, match=r'it knows \d+ names\. If it is your own, name its module in custom_imports'):
        MODELS.get('Zzzzzzzzzzzz')


def test_components_of_mmengine_and_dotted_paths_are_found():
    assert HOOKS.get('EMAHook').__module__.startswith('mmengine.')
    assert LOSSES.get('torch.nn.L1Loss').__name__ == 'L1Loss'
    assert isinstance(INFERENCERS, Registry)
