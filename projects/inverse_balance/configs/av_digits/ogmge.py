# Evidence on AV-Digits: OGM-GE, without inverse effectiveness.
# Launch: python tools/train.py projects/inverse_balance/configs/av_digits/ogmge.py
_base_ = './normal.py'

custom_hooks = [_base_.ogmge]
