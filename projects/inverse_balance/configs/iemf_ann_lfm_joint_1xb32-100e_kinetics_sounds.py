# Joint learning without the coefficient, LFM, on Kinetics-Sounds; published: 61.10 %.
# Launch: python tools/train.py projects/inverse_balance/configs/iemf_ann_lfm_joint_1xb32-100e_kinetics_sounds.py
_base_ = './_base_/kinetics_sounds.py'

custom_hooks = [_base_.lfm, _base_.joint]
