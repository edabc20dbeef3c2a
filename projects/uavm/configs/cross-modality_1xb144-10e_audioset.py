# Cross-modality attention on AudioSet, all 2M clips, 10 epochs as published.
# Launch:   python tools/train.py projects/uavm/configs/cross-modality_1xb144-10e_audioset.py
# Override: --cfg-options select_on=val
_base_ = [
    './_base_/datasets/audioset_features.py',
    './_base_/models/cross_modality.py',
    './_base_/schedules/adam_halving.py',
    './_base_/runtime.py',
]

model = dict(num_classes=527, loss=dict(type='BCELoss'))
default_hooks = dict(checkpoint=dict(save_best='mAP/joint'))
optim_wrapper = dict(optimizer=dict(lr=1e-5))
custom_hooks = [dict(type='ResultTableHook', columns=_base_.joint_columns)]
