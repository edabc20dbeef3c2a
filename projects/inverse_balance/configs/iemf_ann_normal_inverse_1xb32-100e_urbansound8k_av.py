# Plain training with inverse effectiveness on UrbanSound8K-AV, ANN; published: 97.86 %.
# Launch: python tools/train.py projects/inverse_balance/configs/iemf_ann_normal_inverse_1xb32-100e_urbansound8k_av.py
_base_ = './_base_/urbansound8k_av.py'

custom_hooks = [_base_.inverse]
