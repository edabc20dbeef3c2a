# OGM-GE with inverse effectiveness on CREMA-D, ANN; published: 71.10 %.
# Launch: python tools/train.py projects/inverse_balance/configs/iemf_ann_ogmge_inverse_1xb32-100e_cremad.py
_base_ = './_base_/cremad.py'

custom_hooks = [_base_.ogmge, _base_.inverse]
