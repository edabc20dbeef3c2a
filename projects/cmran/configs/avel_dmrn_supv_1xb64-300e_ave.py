# DMRN of "Audio-Visual Event Localization in Unconstrained Videos" (ECCV 2018) on AVE, fully supervised, from scratch,
# the best checkpoint chosen on the validation split.
# Launch:   python tools/train.py projects/cmran/configs/avel_dmrn_supv_1xb64-300e_ave.py
# Override: --cfg-options model.num_rounds=2
_base_ = [
    '../../../configs/_base_/datasets/ave_supervised.py',
    './_base_/models/avel_dmrn.py',
    './_base_/schedules/avel_supv.py',
    '../../../configs/_base_/event_localization_runtime.py',
]

# Batches in the order of the list, the tail left out: 3339 // 64 = 52 iterations.
train_dataloader = dict(batch_size=64, drop_last=True, sampler=dict(type='DefaultSampler', shuffle=False))
randomness = dict(seed=3344)
