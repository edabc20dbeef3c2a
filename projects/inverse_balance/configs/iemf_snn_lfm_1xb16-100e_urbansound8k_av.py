# LFM without inverse effectiveness on UrbanSound8K-AV, SNN; published: 98.13 %.
# Launch: python tools/train.py projects/inverse_balance/configs/iemf_snn_lfm_1xb16-100e_urbansound8k_av.py
_base_ = './_base_/urbansound8k_av_snn.py'

custom_hooks = [_base_.lfm]
train_dataloader = dict(batch_size=16)
val_dataloader = dict(batch_size=16)
test_dataloader = dict(batch_size=16)
