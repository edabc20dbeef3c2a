# Evidence on AV-Digits: LFM, with joint learning; the heads are trained, nothing is scaled.
# Launch: python tools/train.py projects/inverse_balance/configs/av_digits/lfm_joint.py
_base_ = './normal.py'

custom_hooks = [_base_.lfm, _base_.joint]
