"""A complete config of a run that takes a second."""
from __future__ import annotations

import os
import uuid

from mmengine.config import Config


def toy_config(work_dir: str | os.PathLike, **overrides) -> Config:
    """Config of a run on :class:`ToyAVDataset`: three epochs of four iterations, validation after each.

    Args:
        work_dir: Work directory of the run.
        **overrides: Merged into the config. A part that names another ``type`` takes the place of the old one; dotted
            keys work as ``**{'train_dataloader.num_workers': 2}``.

    Example:
        >>> cfg = toy_config('work_dirs/toy', train_cfg=dict(max_epochs=5), custom_hooks=[dict(type='OGMGE')])
        >>> runner = build_toy_runner(cfg)  # doctest: +SKIP
    """
    cfg = Config(dict(
        custom_imports=dict(imports=['avmm.testing'], allow_failed_imports=False),
        default_scope='avmm',
        runner_type='AVRunner',
        model=dict(type='ToyAVModel', num_classes=4, dropout=0.2),
        train_dataloader=_toy_loader(32, shuffle=True),
        val_dataloader=_toy_loader(16, shuffle=False),
        val_evaluator=dict(type='ToyAccuracy'),
        test_dataloader=_toy_loader(16, shuffle=False),
        test_evaluator=dict(type='ToyAccuracy'),
        train_cfg=dict(type='EpochTrainLoop', max_epochs=3, val_interval=1),
        val_cfg=dict(),
        test_cfg=dict(),
        optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1, momentum=0.9)),
        param_scheduler=dict(type='MultiStepLR', by_epoch=True, milestones=[2]),
        default_hooks=dict(logger=dict(type='LoggerHook', interval=2),
                           checkpoint=dict(type='CheckpointHook', interval=1)),
        custom_hooks=[],
        randomness=dict(seed=7),
        log_level='WARNING',
        # mmengine tells runs in one process apart by their names alone.
        experiment_name=f'toy_{uuid.uuid4().hex[:8]}',
        work_dir=str(work_dir)))
    for key, value in overrides.items():
        if isinstance(value, dict) and '.' not in key and value.get('type') != cfg.get(key, {}).get('type') \
                and 'type' in value:
            overrides[key] = dict(value, _delete_=True)
    cfg.merge_from_dict(overrides)
    return cfg


def _toy_loader(length: int, shuffle: bool) -> dict:
    return dict(batch_size=8, num_workers=0, dataset=dict(type='ToyAVDataset', length=length),
                sampler=dict(type='DefaultSampler', shuffle=shuffle))


def build_toy_runner(cfg: Config):
    """Build the runner that ``cfg.runner_type`` names."""
    from mmengine.registry import init_default_scope

    from avmm.registry import RUNNERS
    init_default_scope(cfg.default_scope)
    return RUNNERS.get(cfg.runner_type).from_cfg(cfg)
