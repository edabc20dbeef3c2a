# Evidence on AV-Digits: LFM, with inverse effectiveness.
# Launch: python tools/train.py projects/inverse_balance/configs/av_digits/lfm_inverse.py
_base_ = './normal.py'

custom_hooks = [_base_.lfm, _base_.inverse]
