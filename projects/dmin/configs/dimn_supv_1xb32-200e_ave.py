# DIMN on AVE with full supervision, as published: 200 epochs, the best checkpoint chosen on the test split.
# Launch:   python tools/train.py projects/dmin/configs/dimn_supv_1xb32-200e_ave.py
# Override: --cfg-options select_on=val (an honest choice), model.visual_attention.recompute=True (half the memory),
#           model.dtype=float64 train_dataloader.dataset.dtype=float64 (the official precision)
_base_ = [
    '../../../configs/_base_/datasets/ave_supervised.py',
    './_base_/models/dimn_supv.py',
    './_base_/schedules/supv.py',
    '../../../configs/_base_/event_localization_runtime.py',
]

select_on = 'test'
randomness = dict(seed=456)
