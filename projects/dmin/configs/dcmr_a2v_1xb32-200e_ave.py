# DCMR on AVE from audio to visual, as published (54.2 % of the windows): the best checkpoint chosen on the test split.
# Launch:   python tools/train.py projects/dmin/configs/dcmr_a2v_1xb32-200e_ave.py
# Override: --cfg-options select_on=val (an honest choice), model.dtype=float64 train_dataloader.dataset.dtype=float64
#           (the official precision)
_base_ = [
    '../../../configs/_base_/datasets/ave_matching.py',
    './_base_/models/dcmr_a2v.py',
    './_base_/schedules/match.py',
    '../../../configs/_base_/event_localization_runtime.py',
]

select_on = 'test'

_search = dict(type='CrossModalLocalization', directions='a2v', source='event_logits', seconds=True)
val_evaluator = _search
test_evaluator = _search
default_hooks = dict(
    checkpoint=dict(save_best='localization/a2v'),
    learning_curve=dict(metric='localization', ylabel='windows found (%)'))
randomness = dict(seed=700)
