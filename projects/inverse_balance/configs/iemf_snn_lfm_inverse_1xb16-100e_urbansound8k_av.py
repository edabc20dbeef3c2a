# LFM with inverse effectiveness on UrbanSound8K-AV, SNN; published: 98.63 %.
# Launch: python tools/train.py projects/inverse_balance/configs/iemf_snn_lfm_inverse_1xb16-100e_urbansound8k_av.py
_base_ = './_base_/urbansound8k_av_snn.py'

custom_hooks = [_base_.lfm, _base_.inverse]
train_dataloader = dict(batch_size=16)
val_dataloader = dict(batch_size=16)
test_dataloader = dict(batch_size=16)
