# Cross-modality attention on the features of AV-Digits.
# Launch: python tools/train.py projects/uavm/configs/av_digits/cross_modality.py
_base_ = './uavm.py'

model = dict(type='CrossModalityTransformer')
custom_hooks = [dict(type='ResultTableHook', columns=_base_.joint_columns)]
