"""Loading configs: errors in one line, and the split that a run validates on."""
from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from avmm.utils import ConfigError
from avmm.utils.config import OptionsAction, load_config

REPO = Path(__file__).resolve().parents[2]
CREMAD = REPO / 'configs/audio_visual_classification/resnet18_concat_1xb64-100e_cremad.py'


def test_validation_is_held_out_of_training_by_default():
    cfg = load_config(CREMAD)
    assert cfg.val_dataloader.dataset.split == 'val'
    assert cfg.train_dataloader.dataset.val_fraction == cfg.val_dataloader.dataset.val_fraction == 0.1


def test_select_on_test_trains_on_the_whole_list_and_validates_on_the_test_list():
    cfg = load_config(CREMAD, {'select_on': 'test'})
    assert cfg.val_dataloader.dataset.split == 'test'
    assert cfg.train_dataloader.dataset.val_fraction == 0
    assert cfg.val_evaluator == cfg.test_evaluator


@pytest.mark.parametrize(('text', 'message'), [
    ("model = dict(type='A'", r'bad\.py: cannot be read as a config: SyntaxError'),
    ("_base_ = './absent.py'", r'bad\.py: cannot be read as a config: .*absent\.py'),
    ('x = y', r"bad\.py: cannot be read as a config: NameError: name 'y' is not defined"),
    ("select_on = 'train'", r"select_on is 'train'; it must be 'val' or 'test'"),
])
def test_what_is_wrong_is_said(tmp_path, text, message):
    (tmp_path / 'bad.py').write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_config(tmp_path / 'bad.py')


def test_options_are_merged_and_misspelt_ones_refused():
    assert load_config(CREMAD, {'train_cfg.max_epochs': 3}).train_cfg.max_epochs == 3
    with pytest.raises(ConfigError, match="no 'trian_cfg'; did you mean 'train_cfg'"):
        load_config(CREMAD, {'trian_cfg.max_epochs': 3})


@pytest.mark.parametrize(('value', 'message'), [
    ('max_epochs', "'max_epochs' is not of the form KEY=VALUE"),
    ("custom_hooks=[dict(type='OGM',alpha=0.1)]", 'holds dict(...), which an option cannot'),
])
def test_options_that_cannot_be_read_are_named(capsys, value, message):
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=OptionsAction)
    with pytest.raises(SystemExit):
        parser.parse_args(['--cfg-options', value])
    assert message in capsys.readouterr().err
