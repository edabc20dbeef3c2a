# DIMN on AVE with weak supervision, as published: classes of videos, 178 of them background, chosen on the test split.
# Launch:   python tools/train.py projects/dmin/configs/dimn_weak_1xb32-200e_ave.py
# Override: --cfg-options select_on=val (an honest choice), model.visual_attention.recompute=True (half the memory),
#           model.head.loss_video.squash=False (a loss without the second squashing)
_base_ = [
    '../../../configs/_base_/datasets/ave_weak.py',
    './_base_/models/dimn_weak.py',
    './_base_/schedules/weak.py',
    '../../../configs/_base_/event_localization_runtime.py',
]

select_on = 'test'
randomness = dict(seed=666)
