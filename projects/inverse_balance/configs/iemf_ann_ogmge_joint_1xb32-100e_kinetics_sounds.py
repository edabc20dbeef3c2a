# Joint learning without the coefficient, OGM-GE, on Kinetics-Sounds; published: 60.87 %.
# Launch: python tools/train.py projects/inverse_balance/configs/iemf_ann_ogmge_joint_1xb32-100e_kinetics_sounds.py
_base_ = './_base_/kinetics_sounds.py'

custom_hooks = [_base_.ogmge, _base_.joint]
