# LFM without inverse effectiveness on Kinetics-Sounds, SNN; published: 54.63 %.
# Launch: python tools/train.py projects/inverse_balance/configs/iemf_snn_lfm_1xb16-100e_kinetics_sounds.py
_base_ = './_base_/kinetics_sounds_snn.py'

custom_hooks = [_base_.lfm]
train_dataloader = dict(batch_size=16)
val_dataloader = dict(batch_size=16)
test_dataloader = dict(batch_size=16)
