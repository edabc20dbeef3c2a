# Evidence on AV-Digits: The plain network, with joint learning; the heads are trained, nothing is scaled.
# Launch: python tools/train.py projects/inverse_balance/configs/av_digits/normal_joint.py
_base_ = './normal.py'

custom_hooks = [_base_.joint]
