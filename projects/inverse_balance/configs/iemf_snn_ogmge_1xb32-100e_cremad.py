# OGM-GE without inverse effectiveness on CREMA-D, SNN; published: 69.49 %.
# Launch: python tools/train.py projects/inverse_balance/configs/iemf_snn_ogmge_1xb32-100e_cremad.py
_base_ = './_base_/cremad_snn.py'

custom_hooks = [_base_.ogmge]
