# Cross-modality attention on VGGSound, 10 epochs as published.
# Launch:   python tools/train.py projects/uavm/configs/cross-modality_1xb144-10e_vggsound.py
# Override: --cfg-options select_on=val
_base_ = [
    './_base_/datasets/vggsound_features.py',
    './_base_/models/cross_modality.py',
    './_base_/schedules/adam_halving.py',
    './_base_/runtime.py',
]

custom_hooks = [dict(type='ResultTableHook', columns=_base_.joint_columns)]
