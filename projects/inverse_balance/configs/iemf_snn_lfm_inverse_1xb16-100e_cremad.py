# LFM with inverse effectiveness on CREMA-D, SNN; published: 64.78 %.
# Launch: python tools/train.py projects/inverse_balance/configs/iemf_snn_lfm_inverse_1xb16-100e_cremad.py
_base_ = './_base_/cremad_snn.py'

custom_hooks = [_base_.lfm, _base_.inverse]
train_dataloader = dict(batch_size=16)
val_dataloader = dict(batch_size=16)
test_dataloader = dict(batch_size=16)
optim_wrapper = dict(optimizer=dict(lr=2e-3))
