# Evidence on AV-Digits: MSLR, without inverse effectiveness.
# Launch: python tools/train.py projects/inverse_balance/configs/av_digits/mslr.py
_base_ = './normal.py'

custom_hooks = [_base_.mslr]
