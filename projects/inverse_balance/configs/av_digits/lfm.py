# Evidence on AV-Digits: LFM, without inverse effectiveness.
# Launch: python tools/train.py projects/inverse_balance/configs/av_digits/lfm.py
_base_ = './normal.py'

custom_hooks = [_base_.lfm]
