# MSLR without inverse effectiveness on Kinetics-Sounds, ANN; published: 51.89 %.
# Launch: python tools/train.py projects/inverse_balance/configs/iemf_ann_mslr_1xb32-100e_kinetics_sounds.py
_base_ = './_base_/kinetics_sounds.py'

custom_hooks = [_base_.mslr]
