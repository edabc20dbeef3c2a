# DIMN with full supervision on synthetic AVE, which is made at first use: ten epochs, minutes on a laptop.
# Launch:   python tools/train.py projects/dmin/configs/dimn_supv_1xb32-10e_ave_synthetic.py
# Override: --cfg-options train_cfg.max_epochs=20 model.dtype=float64
_base_ = [
    '../../../configs/_base_/datasets/ave_synthetic_supervised.py',
    './_base_/models/dimn_supv.py',
    './_base_/schedules/supv.py',
    '../../../configs/_base_/event_localization_runtime.py',
]

train_cfg = dict(max_epochs=10)
randomness = dict(seed=456)
