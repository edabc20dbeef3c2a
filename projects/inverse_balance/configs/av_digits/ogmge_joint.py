# Evidence on AV-Digits: OGM-GE, with joint learning; the heads are trained, nothing is scaled.
# Launch: python tools/train.py projects/inverse_balance/configs/av_digits/ogmge_joint.py
_base_ = './normal.py'

custom_hooks = [_base_.ogmge, _base_.joint]
