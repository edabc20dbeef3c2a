# Evidence on AV-Digits: MSLR, with joint learning; the heads are trained, nothing is scaled.
# Launch: python tools/train.py projects/inverse_balance/configs/av_digits/mslr_joint.py
_base_ = './normal.py'

custom_hooks = [_base_.mslr, _base_.joint]
