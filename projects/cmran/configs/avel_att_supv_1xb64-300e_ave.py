# A+V-att of "Audio-Visual Event Localization in Unconstrained Videos" (ECCV 2018) on AVE, fully supervised, the best
# checkpoint chosen on the validation split.
# Launch:   python tools/train.py projects/cmran/configs/avel_att_supv_1xb64-300e_ave.py
# Override: --cfg-options train_dataloader.sampler.shuffle=True (the published run never shuffles)
_base_ = [
    '../../../configs/_base_/datasets/ave_supervised.py',
    './_base_/models/avel_att.py',
    './_base_/schedules/avel_supv.py',
    '../../../configs/_base_/event_localization_runtime.py',
]

# Batches in the order of the list, the tail left out: 3339 // 64 = 52 iterations.
train_dataloader = dict(batch_size=64, drop_last=True, sampler=dict(type='DefaultSampler', shuffle=False))
randomness = dict(seed=3344)
