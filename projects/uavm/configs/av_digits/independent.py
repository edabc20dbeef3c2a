# The modality-independent model (6+0) on the features of AV-Digits.
# Launch: python tools/train.py projects/uavm/configs/av_digits/independent.py
_base_ = './uavm.py'

model = dict(specific_depth=6, shared_depth=0)
