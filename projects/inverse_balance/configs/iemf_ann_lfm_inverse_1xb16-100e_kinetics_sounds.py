# LFM with inverse effectiveness on Kinetics-Sounds, ANN; published: 63.15 %.
# Launch: python tools/train.py projects/inverse_balance/configs/iemf_ann_lfm_inverse_1xb16-100e_kinetics_sounds.py
_base_ = './_base_/kinetics_sounds.py'

custom_hooks = [_base_.lfm, _base_.inverse]
train_dataloader = dict(batch_size=16)
val_dataloader = dict(batch_size=16)
test_dataloader = dict(batch_size=16)
