# Plain training without inverse effectiveness on UrbanSound8K-AV, SNN; published: 98.02 %.
# Launch: python tools/train.py projects/inverse_balance/configs/iemf_snn_normal_1xb32-100e_urbansound8k_av.py
_base_ = './_base_/urbansound8k_av_snn.py'
