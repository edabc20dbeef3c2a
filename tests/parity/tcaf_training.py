"""Cases of ``tcaf``: which epoch is best, the plateau schedule, and the test of two stages."""
from __future__ import annotations

import tempfile
import uuid
from pathlib import Path
from typing import Any

import golden
import numpy as np
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from tcaf_model import tcaf_config
from torch import nn

from avmm.engine.checkpoint import save_checkpoint
from avmm.registry import PARAM_SCHEDULERS, RUNNERS
from projects.tcaf.tcaf.class_splits import STAGES
from projects.tcaf.tcaf.converter import TABLES
from projects.tcaf.tcaf.training import StageRecord
from projects.tcaf.tests.benchmark_for_tests import write_benchmark

Arrays = dict[str, np.ndarray]
CONFIGS = Path(__file__).resolve().parents[2] / 'projects/tcaf/configs'
VALUES = ('seen', 'unseen', 'hm', 'zsl', 'beta')
LOADER = dict(num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False))


def schedule(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: torch.dtype) -> dict[str, Any]:
    """The course of stage 1, given what its validations give."""
    options = meta['options']
    wrapper = build_optim_wrapper(nn.Linear(1, 1), dict(optimizer=dict(type='Adam', lr=options['lr'])))
    plateau = Config.fromfile(str(CONFIGS / '_base_/schedules/plateau.py')).param_scheduler
    plateau = PARAM_SCHEDULERS.build({**plateau, **{key: options[key] for key in ('factor', 'patience', 'threshold')
                                                    if key in options}}, default_args=dict(optimizer=wrapper))
    record, rates, best = StageRecord(), [], []
    saved: dict[str, list[int]] = dict(loss=[], score=[])
    for epoch, (hm, loss) in enumerate(zip(inputs['hm'].tolist(), inputs['val_loss'].tolist(), strict=True)):
        metrics = {'gzsl/hm': hm, 'val_loss': loss}
        for kind in record.note(epoch + 1, metrics, 'gzsl/hm'):
            saved[kind].append(epoch)
        plateau.step()
        plateau.step(metrics)
        rates.append(wrapper.get_lr()['lr'][0])
        best.append(record.best_epoch - 1)
    return dict(lr=np.array(rates), best_epoch=np.array(best), saved_loss=np.array(saved['loss']),
                saved_score=np.array(saved['score']), stage2_epochs=np.array(record.best_epoch))


def two_stages(meta: dict[str, Any], inputs: Arrays, state: Arrays, dtype: torch.dtype) -> dict[str, Any]:
    """Weights of stage 1 choose the calibration on the validation split, those of stage 2 are tested with it."""
    options = meta['options']
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_clips(folder, inputs, options['num_all'])
        paths = {}
        for stage, seed in (('1', meta['seed']), ('2', options['weights_seed_B'])):
            weights = {key: torch.from_numpy(value) for key, value in golden.state_dict(meta['state'], seed).items()}
            paths[stage] = str(folder / f'stage{stage}.pth')
            save_checkpoint(dict(state_dict=TABLES['tcaf'].from_official(weights)), paths[stage])
        runner = runner_of(folder, options, 'val', paths['1'], dict())
        val = runner.test()
        runner = runner_of(folder, options, 'test', paths['2'], dict(type='ZeroShotTestLoop', stage1=paths['1']))
        test = runner.test()
        return dict(val=five(val), test=five(test), test_emb=embeddings(runner, options['batch_size']))


def write_clips(folder: Path, inputs: Arrays, num_all: int) -> None:
    """The clips of both splits in the published files."""
    names = [f'class {i:03d}' for i in range(num_all)]
    words = {name: row / np.linalg.norm(row) for name, row in zip(names, inputs['E'], strict=True)}
    stages = dict.fromkeys(STAGES, names[:1])
    clips: dict[tuple[str, str], list[tuple]] = {}
    for split, stage in (('val', 'stage_1_val'), ('test', 'stage_2_test')):
        of_class = {int(c): f'{stage}_{kind}' for kind in ('seen', 'unseen') for c in inputs[f'{split}.{kind}']}
        for kind in ('seen', 'unseen'):
            stages[f'{stage}_{kind}'] = [names[c] for c in inputs[f'{split}.{kind}']]
        for i, label in enumerate(inputs[f'{split}.targets'].tolist()):
            audio = np.floor(256 * inputs[f'{split}.audio.{i}']).astype('uint8')
            clips.setdefault((of_class[label], names[label]), []).append((f'{i:04d}', audio,
                                                                          inputs[f'{split}.video.{i}']))
    write_benchmark(folder, names, names, words, stages, clips)


def runner_of(folder: Path, options: dict[str, Any], split: str, weights: str, test_cfg: dict):
    """A runner that tests weights on one split."""
    return RUNNERS.get('AVRunner').from_cfg(Config(dict(
        default_scope='avmm', work_dir=str(folder / 'work'), experiment_name=f'two_stages_{uuid.uuid4().hex[:8]}',
        model=tcaf_config(options['model']), load_from=weights, log_level='ERROR', test_cfg=test_cfg,
        test_dataloader=dict(LOADER, batch_size=options['batch_size'], dataset=dict(
            type='GZSLDataset', data_root=str(folder), split=split, word_order='by_class')),
        test_evaluator=dict(type='GZSLMetric'), custom_hooks=[dict(type='ZeroShotHook')])))


def five(metrics: dict[str, float]) -> np.ndarray:
    """S, U, HM and ZSL as shares, and the calibration."""
    return np.array([metrics[f'gzsl/{name}'] / (1 if name == 'beta' else 100) for name in VALUES])


@torch.no_grad()
def embeddings(runner, batch_size: int) -> np.ndarray:
    """Embeddings of the clips in the order of the case, which their names tell."""
    dataset = runner.test_dataloader.dataset
    rows = {}
    for first in range(0, len(dataset), batch_size):
        batch = dataset.__getitems__(range(first, min(first + batch_size, len(dataset))))
        for sample, row in zip(batch['data_samples'], runner.model.embed(batch['inputs'])['both'], strict=True):
            rows[int(sample.sample_id.rpartition('/')[2])] = row.numpy()
    return np.stack([rows[i] for i in sorted(rows)])


PARTS = dict(tcaf_schedule_best=schedule, tcaf_two_stage=two_stages)
