"""Mistakes in a config are found without building anything."""
from __future__ import annotations

import pytest
import torch
from mmengine.model import BaseModule
from torch import nn

from avmm.testing import toy_config
from avmm.utils import ConfigError
from avmm.utils.config_check import call_of, check_config, find_errors


class Closed(nn.Module):
    def __init__(self, width, depth=2):
        super().__init__()


class HandsOn(Closed):
    def __init__(self, *, dropout=0.0, **kwargs):
        super().__init__(**kwargs)


class NamesBase(Closed):
    def __init__(self, **kwargs):
        Closed.__init__(self, 3, **kwargs)


class KeepsThem(BaseModule):
    def __init__(self, name, **options):
        super().__init__()
        self.options = options


class Inherits(HandsOn):
    pass


def test_signatures():
    assert call_of(Closed).names == {'width', 'depth'} and call_of(Closed).required == {'width'}
    handed_on = call_of(HandsOn)
    assert handed_on.names == {'dropout', 'width', 'depth'} and not handed_on.open
    assert call_of(Inherits).names == handed_on.names
    assert call_of(NamesBase).names == {'depth'} and not call_of(NamesBase).required
    assert call_of(KeepsThem).open
    assert call_of(torch.nn.functional.dropout).names == {'input', 'p', 'training', 'inplace'}
    assert {'lr', 'momentum'} < call_of(torch.optim.SGD).names


def test_a_right_config_has_no_error(tmp_path):
    assert list(find_errors(toy_config(tmp_path))) == []
    check_config(toy_config(tmp_path))


@pytest.mark.parametrize(('options', 'message'), [
    ({'optim_wrapper.optimizer.lrr': 0.1},
     "optim_wrapper.optimizer: unknown argument 'lrr' of SGD; did you mean 'lr'?"),
    ({'optim_wrapper.acumulative_counts': 2},
     "optim_wrapper: unknown argument 'acumulative_counts' of .*; did you mean 'accumulative_counts'?"),
    ({'model.type': 'ToyAVModle'}, "model: 'ToyAVModle' is not in the avmm::model registry; did you mean ToyAVModel"),
    ({'model.widht': 3}, "model: unknown argument 'widht' of ToyAVModel; did you mean 'width'?"),
    ({'train_dataloader.bacth_size': 3},
     "train_dataloader: unknown argument 'bacth_size' of DataLoader; did you mean 'batch_size'?"),
    ({'train_dataloader.dataset.lenght': 3},
     "train_dataloader.dataset: unknown argument 'lenght' of ToyAVDataset; did you mean 'length'?"),
    ({'train_dataloader.sampler.shufle': True},
     "train_dataloader.sampler: unknown argument 'shufle' of DefaultSampler; did you mean 'shuffle'?"),
    ({'train_cfg.max_epoch': 3},
     "train_cfg: unknown argument 'max_epoch' of EpochTrainLoop; did you mean 'max_epochs'?"),
    ({'param_scheduler.milestone': [1]},
     "param_scheduler: unknown argument 'milestone' of MultiStepLR; did you mean 'milestones'?"),
    ({'default_hooks.logger.intervall': 1},
     "default_hooks.logger: unknown argument 'intervall' of LoggerHook; did you mean 'interval'?"),
    ({'val_evaluator.type': 'ToyAcuracy'}, "val_evaluator: 'ToyAcuracy' is not in the avmm::metric registry; "
                                           'did you mean ToyAccuracy'),
    ({'custom_hooks': [dict(type='OGMGE', alhpa=0.1)]},
     r"custom_hooks\[0\]: unknown argument 'alhpa' of OGMGE; did you mean 'alpha'?"),
    ({'runner_type': 'AVRuner'}, "runner_type: 'AVRuner' is not in the avmm::runner registry; did you mean AVRunner"),
])
def test_a_mistake_is_named_with_its_place_and_the_nearest_right_name(options, message, tmp_path):
    cfg = toy_config(tmp_path)
    cfg.merge_from_dict(options)
    with pytest.raises(ConfigError, match=message) as caught:
        check_config(cfg)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(('wrong', 'right'), [('val_dataloder', 'val_dataloader'), ('custom_hook', 'custom_hooks')])
def test_a_setting_of_the_run_that_is_misspelt(wrong, right, tmp_path):
    cfg = toy_config(tmp_path)
    cfg[wrong] = cfg.pop(right)
    assert list(find_errors(cfg)) == [f'{wrong} is no setting of a run; did you mean {right!r}?']


def test_all_mistakes_at_once(tmp_path):
    cfg = toy_config(tmp_path)
    cfg.merge_from_dict({'model.widht': 3, 'train_cfg.max_epoch': 3, 'optim_wrapper.optimizer.lrr': 1})
    assert len(list(find_errors(cfg))) == 3


def test_a_missing_argument(tmp_path):
    cfg = toy_config(tmp_path)
    del cfg.param_scheduler['milestones']
    assert "param_scheduler: MultiStepLR needs the argument 'milestones'" in list(find_errors(cfg))


def test_a_type_may_be_the_class_itself(tmp_path):
    cfg = toy_config(tmp_path)
    cfg.optim_wrapper.optimizer = dict(type=torch.optim.AdamW, lr=0.1, momentum=0.9)
    assert list(find_errors(cfg)) == ["optim_wrapper.optimizer: unknown argument 'momentum' of AdamW; it takes "
                                      + ', '.join(sorted(call_of(torch.optim.AdamW).names))]


def test_variables_of_a_config_are_its_own_affair(tmp_path):
    cfg = toy_config(tmp_path)
    cfg.my_settings = dict(type='whatever', alpha=1)
    cfg.train_pipeline = [dict(type='anything')]
    assert list(find_errors(cfg)) == []
