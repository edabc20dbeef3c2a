# DCMR on AVE from visual to audio, as published (54.5 % of the windows): the best checkpoint chosen on the test split.
# Launch:   python tools/train.py projects/dmin/configs/dcmr_v2a_1xb32-200e_ave.py
# Override: --cfg-options select_on=val (an honest choice), model.dtype=float64 train_dataloader.dataset.dtype=float64
#           (the official precision)
_base_ = [
    '../../../configs/_base_/datasets/ave_matching.py',
    './_base_/models/dcmr_v2a.py',
    './_base_/schedules/match.py',
    '../../../configs/_base_/event_localization_runtime.py',
]

select_on = 'test'

_search = dict(type='CrossModalLocalization', directions='v2a', source='event_logits', seconds=True)
val_evaluator = _search
test_evaluator = _search
default_hooks = dict(
    checkpoint=dict(save_best='localization/v2a'),
    learning_curve=dict(metric='localization', ylabel='windows found (%)'))
randomness = dict(seed=100)
