"""The memory of a training process does not grow with the epochs."""
from __future__ import annotations

import gc
from pathlib import Path

import pytest
from mmengine.hooks import Hook

from avmm.testing import build_toy_runner
from projects.tcaf.tests.benchmark_for_tests import MANUAL, NAMES, SPLITS, toy_clips, toy_words, write_benchmark
from projects.tcaf.tests.toy_gzsl import toy_gzsl_config

PAGE = 4096 / 2**20


class Resident(Hook):
    """Memory of the process (MiB) after each epoch."""

    def __init__(self):
        self.sizes = []

    def after_stage_epoch(self, runner):
        gc.collect()
        self.sizes.append(int(Path('/proc/self/statm').read_text().split()[1]) * PAGE)


@pytest.mark.slow
def test_memory_is_flat_over_the_epochs_of_both_stages(tmp_path):
    write_benchmark(tmp_path / 'data', NAMES, MANUAL, toy_words(), SPLITS, toy_clips(audio=128, visual=512))
    dataset = dict(_delete_=True, type='GZSLDataset', data_root=str(tmp_path / 'data'),
                   seq_len=dict(mode='fixed', max_len=12))
    model = dict(_delete_=True, type='TCAF', in_channels=dict(audio=128, visual=512),
                 encoder=dict(hidden_channels=16), head=dict(hidden_channels=16),
                 transformer=dict(depth=1, num_heads=1, head_channels=8), extra_bn_pass=True)
    epochs = 16
    cfg = toy_gzsl_config(
        tmp_path / 'work', model=model, train_cfg=dict(max_epochs=epochs, stage2_epochs='all'),
        **{'default_hooks.checkpoint': dict(max_keep_ckpts=1, iter_interval=4)})
    for split in ('train', 'val', 'test'):
        cfg.merge_from_dict({f'{split}_dataloader': dict(batch_size=32, dataset=dict(dataset, split=split))})
    cfg.train_dataloader.sampler.batch_size = 32
    runner, resident = build_toy_runner(cfg), Resident()
    runner.register_hook(resident)
    runner.train()
    first, second = resident.sizes[:epochs], resident.sizes[epochs:]
    # Ten epochs train on 50 batches of 0.9 MiB, and validate on as many.
    assert first[-1] - first[5] < 8 and second[-1] - second[5] < 8, resident.sizes
    assert second[-1] - first[5] < 12, resident.sizes
