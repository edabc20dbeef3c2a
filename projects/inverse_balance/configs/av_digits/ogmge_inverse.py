# Evidence on AV-Digits: OGM-GE, with inverse effectiveness.
# Launch: python tools/train.py projects/inverse_balance/configs/av_digits/ogmge_inverse.py
_base_ = './normal.py'

custom_hooks = [_base_.ogmge, _base_.inverse]
