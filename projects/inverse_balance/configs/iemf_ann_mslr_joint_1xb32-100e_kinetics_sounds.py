# Joint learning without the coefficient, MSLR, on Kinetics-Sounds; published: 55.51 %.
# Launch: python tools/train.py projects/inverse_balance/configs/iemf_ann_mslr_joint_1xb32-100e_kinetics_sounds.py
_base_ = './_base_/kinetics_sounds.py'

custom_hooks = [_base_.mslr, _base_.joint]
