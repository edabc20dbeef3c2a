# MSLR with inverse effectiveness on CREMA-D, ANN; published: 65.59 %.
# Launch: python tools/train.py projects/inverse_balance/configs/iemf_ann_mslr_inverse_1xb32-100e_cremad.py
_base_ = './_base_/cremad.py'

custom_hooks = [_base_.mslr, _base_.inverse]
