# Evidence on AV-Digits: The plain network, with inverse effectiveness.
# Launch: python tools/train.py projects/inverse_balance/configs/av_digits/normal_inverse.py
_base_ = './normal.py'

custom_hooks = [_base_.inverse]
