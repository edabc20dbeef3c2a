# LFM with inverse effectiveness on CREMA-D, ANN; published: 63.98 %.
# Launch: python tools/train.py projects/inverse_balance/configs/iemf_ann_lfm_inverse_1xb16-100e_cremad.py
_base_ = './_base_/cremad.py'

custom_hooks = [_base_.lfm, _base_.inverse]
train_dataloader = dict(batch_size=16)
val_dataloader = dict(batch_size=16)
test_dataloader = dict(batch_size=16)
optim_wrapper = dict(optimizer=dict(lr=2e-3))
