# DCMR from audio to visual on synthetic AVE, which is made at first use: ten epochs, minutes on a laptop.
# Launch:   python tools/train.py projects/dmin/configs/dcmr_a2v_1xb32-10e_ave_synthetic.py
# Override: --cfg-options train_cfg.max_epochs=20 model.dtype=float64
_base_ = [
    '../../../configs/_base_/datasets/ave_synthetic_matching.py',
    './_base_/models/dcmr_a2v.py',
    './_base_/schedules/match.py',
    '../../../configs/_base_/event_localization_runtime.py',
]

train_cfg = dict(max_epochs=10)

_search = dict(type='CrossModalLocalization', directions='a2v', source='event_logits', seconds=True)
val_evaluator = _search
test_evaluator = _search
default_hooks = dict(
    checkpoint=dict(save_best='localization/a2v'),
    learning_curve=dict(metric='localization', ylabel='windows found (%)'))
randomness = dict(seed=700)
