# MSLR with inverse effectiveness on CREMA-D, SNN; published: 64.38 %.
# Launch: python tools/train.py projects/inverse_balance/configs/iemf_snn_mslr_inverse_1xb32-100e_cremad.py
_base_ = './_base_/cremad_snn.py'

custom_hooks = [_base_.mslr, _base_.inverse]
