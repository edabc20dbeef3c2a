# OGM-GE with inverse effectiveness on Kinetics-Sounds, SNN; published: 61.41 %.
# Launch: python tools/train.py projects/inverse_balance/configs/iemf_snn_ogmge_inverse_1xb32-100e_kinetics_sounds.py
_base_ = './_base_/kinetics_sounds_snn.py'

custom_hooks = [_base_.ogmge, _base_.inverse]
