# f-VAEGAN-D2 on UCF-GZSL, SeLaVi features; published: HM 11.37, ZSL 11.11.
# Whole epochs of batches of 64. The published loop ends each of its 50 epochs after one batch:
#           --cfg-options train_dataloader.sampler.type=GZSLSampler train_dataloader.sampler.num_batches=1
#           train_dataloader.sampler.batch_size=64 train_dataloader.sampler.alpha=0
# Launch:   python tools/train.py projects/tcaf/configs/fvaegan_main_ucf.py
_base_ = [
    './_base_/datasets/ucf_main_averaged.py',
    './_base_/models/fvaegan.py',
    './_base_/schedules/fvaegan.py',
    './_base_/runtime.py',
]

train_dataloader = dict(
    batch_size=64, drop_last=True, sampler=dict(_delete_=True, type='DefaultSampler', shuffle=True))
val_evaluator = dict(beta=0.0)
test_evaluator = dict(beta=0.0)
test_cfg = dict(beta=0.0)
# The best epoch of the classifier on the data of the evaluation, as published.
custom_hooks = [dict(type='GeneratedFeaturesHook', count=1000, epochs=30, lr=1e-3, select='best')]
