# The modality-independent model of the published checkpoints (6+0) on the balanced part of AudioSet,
# 50 epochs as published.
# Launch:   python tools/train.py projects/uavm/configs/uavm-independent_1xb144-50e_audioset_balanced.py
# Override: --cfg-options optim_wrapper.zero_grad_set_to_none=True
_base_ = [
    './_base_/datasets/audioset_balanced_features.py',
    './_base_/models/uavm_independent.py',
    './_base_/schedules/adam_plateau.py',
    './_base_/runtime.py',
]

model = dict(num_classes=527, loss=dict(type='BCELoss'))
default_hooks = dict(checkpoint=dict(save_best='mAP/joint'))
param_scheduler = dict(monitor='mAP/joint')
train_cfg = dict(max_epochs=50)
