# AVDLN of "Audio-Visual Event Localization in Unconstrained Videos" (ECCV 2018) on AVE: cross-modality matching of
# segments, and the search of events by it; the result is the last checkpoint, epoch_20.pth.
# Launch:   python tools/train.py projects/cmran/configs/avel_cmm_match_1xb8-20e_ave.py
# Override: --cfg-options model.loss.margin=1.0
_base_ = [
    '../../../configs/_base_/datasets/ave_matching.py',
    './_base_/models/avel_cmm.py',
    './_base_/schedules/avel_match.py',
    '../../../configs/_base_/event_localization_runtime.py',
]

train_dataloader = dict(
    batch_size=8,  # pairs of segments
    dataset=dict(_delete_=True, type='SegmentPairs', dataset=_base_.train_dataloader.dataset))
default_hooks = dict(
    checkpoint=dict(save_best=None, max_keep_ckpts=1),
    learning_curve=dict(metric='localization', ylabel='events localised (%)'))
randomness = dict(seed=3344)
