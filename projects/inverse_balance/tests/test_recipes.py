"""The recipes: their hooks and windows, and one of them as a whole run on made-up clips."""
from __future__ import annotations

from pathlib import Path

import pytest
import torch

import avmm.testing  # noqa: F401
from avmm.engine.build import build_runner
from avmm.utils.config import load_config

CONFIGS = Path(__file__).parents[1] / 'configs'
REPO = Path(__file__).parents[3]
NAMES = sorted(path.stem for path in CONFIGS.glob('*.py'))


def recipe(name):
    return load_config(CONFIGS / f'{name}.py')


def test_every_row_has_a_config():
    rows = {f'iemf_{net}_{method}{inverse}_1xb{16 if method == "lfm" else 32}-100e_{data}'
            for net in ('ann', 'snn') for method in ('normal', 'mslr', 'ogmge', 'lfm')
            for inverse in ('', '_inverse') for data in ('cremad', 'kinetics_sounds', 'urbansound8k_av')}
    assert len(rows) == 48 and rows <= set(NAMES)
    assert len([name for name in NAMES if 'gamma' in name]) == 6
    assert len([name for name in NAMES if '_joint_' in name]) == 4
    assert len([name for name in NAMES if 'scratch' in name or 'finetune' in name]) == 12


@pytest.mark.parametrize('method', ['ogmge', 'mslr', 'lfm'])
def test_the_branches_are_edited_before_the_fusion(method):
    first, second = recipe(next(n for n in NAMES if n.startswith(f'iemf_snn_{method}_inverse'))).custom_hooks
    assert first.type == dict(ogmge='OGMGE', mslr='MSLRDynamic', lfm='LFM')[method]
    assert second.type == 'InverseEffectiveness'


def test_what_the_data_sets_change():
    cremad, sounds = (recipe(f'iemf_ann_lfm_inverse_1xb16-100e_{data}') for data in ('cremad', 'kinetics_sounds'))
    assert [cfg.custom_hooks[1].starts for cfg in (cremad, sounds)] == [60, 0]
    assert [cfg.optim_wrapper.optimizer.lr for cfg in (cremad, sounds)] == [2e-3, 5e-3]
    assert cremad.train_dataloader.batch_size == 16 and cremad.val_dataloader.dataset.split == 'test'
    spiking = recipe('iemf_snn_normal_1xb32-100e_urbansound8k_av')
    assert spiking.model.encoders.audio.steps == 4 and not spiking.custom_hooks
    swept = recipe('iemf_ann_ogmge_inverse_gamma0p5_1xb32-100e_kinetics_sounds')
    assert swept.custom_hooks[1].gamma == swept.val_evaluator[2].gamma == 0.5


@pytest.mark.slow
@pytest.mark.integration
def test_a_recipe_trains_validates_and_goes_on_as_fine_tuning(tmp_path):
    def toy(cfg, folder, **changes):
        cfg.model.num_classes = 4
        loader = dict(batch_size=4, num_workers=0, persistent_workers=False, pin_memory=False)
        for split in ('train', 'val', 'test'):
            shuffle = cfg[f'{split}_dataloader'].sampler.shuffle
            cfg[f'{split}_dataloader'] = dict(loader, dataset=dict(type='ToyAVDataset', length=8),
                                              sampler=dict(type='DefaultSampler', shuffle=shuffle))
        for evaluator in (cfg.val_evaluator, cfg.test_evaluator):
            evaluator[0].topk = 1
        cfg.model.data_preprocessor = dict(type='AVDataPreprocessor')
        cfg.train_cfg.max_epochs = 1
        cfg.update(work_dir=str(tmp_path / folder), log_level='WARNING', visualizer=None, **changes)
        return cfg

    name = 'iemf_snn_ogmge_inverse_1xb32-100e_kinetics_sounds'
    runner = build_runner(toy(recipe(name), name), REPO)
    runner.train()
    best = next((tmp_path / name).glob('best_accuracy_joint_epoch_1.pth'))
    checkpoint = torch.load(best, weights_only=True)
    assert set(checkpoint['balancing']) == {'OGMGE', 'InverseEffectiveness'}
    assert int(checkpoint['state_dict']['encoders.audio.bn1.num_batches_tracked']) == 4 * 2
    metrics = {key.removeprefix('val/') for key in runner.message_hub.log_scalars}
    assert {'accuracy/joint', 'accuracy/audio', 'cross_entropy/joint', 'inverse/middle'} <= metrics
    tuned = toy(recipe('iemf_ann_visual_finetune-inverse_1xb32-100e_kinetics_sounds'), 'tuned', load_from=str(best))
    second = build_runner(tuned, REPO)
    second.train()
    for key, value in second.model.state_dict().items():
        moved = not torch.equal(value, checkpoint['state_dict'][key])
        learned = 'visual' in key and not key.endswith('threshold') and '.fc.' not in key
        assert moved == learned, key
