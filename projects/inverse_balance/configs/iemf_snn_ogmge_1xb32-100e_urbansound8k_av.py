# OGM-GE without inverse effectiveness on UrbanSound8K-AV, SNN; published: 97.67 %.
# Launch: python tools/train.py projects/inverse_balance/configs/iemf_snn_ogmge_1xb32-100e_urbansound8k_av.py
_base_ = './_base_/urbansound8k_av_snn.py'

custom_hooks = [_base_.ogmge]
