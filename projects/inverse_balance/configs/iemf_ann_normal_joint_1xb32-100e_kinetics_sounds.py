# Joint learning without the coefficient, otherwise plain, on Kinetics-Sounds; published: 54.86 %.
# Launch: python tools/train.py projects/inverse_balance/configs/iemf_ann_normal_joint_1xb32-100e_kinetics_sounds.py
_base_ = './_base_/kinetics_sounds.py'

custom_hooks = [_base_.joint]
