# Plain training without inverse effectiveness on CREMA-D, SNN; published: 63.04 %.
# Launch: python tools/train.py projects/inverse_balance/configs/iemf_snn_normal_1xb32-100e_cremad.py
_base_ = './_base_/cremad_snn.py'
