# DCMR from visual to audio on synthetic AVE, which is made at first use: ten epochs, minutes on a laptop.
# Launch:   python tools/train.py projects/dmin/configs/dcmr_v2a_1xb32-10e_ave_synthetic.py
# Override: --cfg-options train_cfg.max_epochs=20 model.dtype=float64
_base_ = [
    '../../../configs/_base_/datasets/ave_synthetic_matching.py',
    './_base_/models/dcmr_v2a.py',
    './_base_/schedules/match.py',
    '../../../configs/_base_/event_localization_runtime.py',
]

train_cfg = dict(max_epochs=10)

_search = dict(type='CrossModalLocalization', directions='v2a', source='event_logits', seconds=True)
val_evaluator = _search
test_evaluator = _search
default_hooks = dict(
    checkpoint=dict(save_best='localization/v2a'),
    learning_curve=dict(metric='localization', ylabel='windows found (%)'))
randomness = dict(seed=100)
