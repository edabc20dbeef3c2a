# MSLR without inverse effectiveness on CREMA-D, SNN; published: 63.70 %.
# Launch: python tools/train.py projects/inverse_balance/configs/iemf_snn_mslr_1xb32-100e_cremad.py
_base_ = './_base_/cremad_snn.py'

custom_hooks = [_base_.mslr]
