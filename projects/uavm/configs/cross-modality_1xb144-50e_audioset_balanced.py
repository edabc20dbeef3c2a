# Cross-modality attention on the balanced part of AudioSet, 50 epochs as published.
# Launch:   python tools/train.py projects/uavm/configs/cross-modality_1xb144-50e_audioset_balanced.py
# Override: --cfg-options select_on=val
_base_ = [
    './_base_/datasets/audioset_balanced_features.py',
    './_base_/models/cross_modality.py',
    './_base_/schedules/adam_plateau.py',
    './_base_/runtime.py',
]

model = dict(num_classes=527, loss=dict(type='BCELoss'))
default_hooks = dict(checkpoint=dict(save_best='mAP/joint'))
optim_wrapper = dict(optimizer=dict(lr=5e-4))
param_scheduler = dict(monitor='mAP/joint')
train_cfg = dict(max_epochs=50)
custom_hooks = [dict(type='ResultTableHook', columns=_base_.joint_columns)]
