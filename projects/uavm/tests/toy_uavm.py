"""A run of UAVM on small features that takes a second."""
from __future__ import annotations

import uuid
from pathlib import Path

from mmengine.config import Config

from projects.uavm.tests.uavm_files import LABELS, write_features


def toy_uavm_config(folder: Path, work_dir: Path, **overrides) -> Config:
    """Two epochs of four iterations on 32 clips; the features are made where they are absent."""
    if not (folder / 'clips.json').exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_features(folder, labels=LABELS * 4, store='features.h5')
    data = dict(type='UAVMFeatureDataset', ann_file='clips.json', label_file='labels.csv', data_root=str(folder),
                seq_len=6)
    cfg = Config(dict(
        custom_imports=dict(imports=['projects.uavm.uavm'], allow_failed_imports=False),
        default_scope='avmm', runner_type='AVRunner',
        model=dict(type='UAVM', num_classes=4, specific_depth=1, shared_depth=1, channels=16, num_heads=2,
                   num_steps=6, in_channels=8, loss=dict(type='BCELoss'),
                   data_preprocessor=dict(type='UAVMDataPreprocessor')),
        train_dataloader=dict(batch_size=8, num_workers=0, drop_last=True,
                              sampler=dict(type='UAVMWeightedSampler', weights='inverse_frequency'),
                              dataset=dict(data, mixup=0.5, noise=True, label_smooth=0.1)),
        val_dataloader=dict(batch_size=8, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
                            dataset=dict(data, test_mode=True)),
        val_evaluator=dict(type='UAVMStatistics'), val_cfg=dict(),
        train_cfg=dict(type='EpochTrainLoop', max_epochs=2, val_interval=1),
        optim_wrapper=dict(type='OptimWrapper', zero_grad_set_to_none=False,
                           optimizer=dict(type='Adam', lr=1e-2, betas=(0.95, 0.999), weight_decay=5e-7)),
        param_scheduler=dict(type='MultiStepLR', by_epoch=True, milestones=[1, 2, 3], gamma=0.5),
        model_wrapper_cfg=dict(type='AVDistributedDataParallel', find_unused_parameters=True),
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1)),
        custom_hooks=[dict(type='ModalityDrawHook'), dict(type='ResultTableHook')],
        randomness=dict(seed=7), log_level='ERROR', experiment_name=f'uavm_{uuid.uuid4().hex[:8]}',
        work_dir=str(work_dir)))
    cfg.merge_from_dict(overrides)
    return cfg
