# Evidence on AV-Digits: MSLR, with inverse effectiveness.
# Launch: python tools/train.py projects/inverse_balance/configs/av_digits/mslr_inverse.py
_base_ = './normal.py'

custom_hooks = [_base_.mslr, _base_.inverse]
