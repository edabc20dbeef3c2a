# W-A+V-att of "Audio-Visual Event Localization in Unconstrained Videos" (ECCV 2018) on AVE, weakly supervised; the
# result is the checkpoint that was validated last, epoch_246.pth.
# Launch:   python tools/train.py projects/cmran/configs/avel_att_weak_1xb64-250e_ave.py
# Override: --cfg-options train_dataloader.sampler.shuffle=True (the published run never shuffles)
_base_ = [
    '../../../configs/_base_/datasets/ave_weak.py',
    './_base_/models/avel_att_weak.py',
    './_base_/schedules/avel_weak.py',
    '../../../configs/_base_/event_localization_runtime.py',
]

# Batches in the order of the list, the tail left out: (3339 + 178) // 64 = 54 iterations.
train_dataloader = dict(batch_size=64, drop_last=True, sampler=dict(type='DefaultSampler', shuffle=False))

# The published program means to keep the best, and keeps every checkpoint that it validates: the last one wins.
default_hooks = dict(checkpoint=dict(interval=5, save_begin=1, save_last=False, save_best=None, max_keep_ckpts=1))
randomness = dict(seed=3344)
