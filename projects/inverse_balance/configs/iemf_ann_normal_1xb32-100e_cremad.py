# Plain training without inverse effectiveness on CREMA-D, ANN; published: 62.63 %.
# Launch: python tools/train.py projects/inverse_balance/configs/iemf_ann_normal_1xb32-100e_cremad.py
_base_ = './_base_/cremad.py'
