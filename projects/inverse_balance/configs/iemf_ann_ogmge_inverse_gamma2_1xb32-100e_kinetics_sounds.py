# Sweep of gamma with OGM-GE on Kinetics-Sounds, gamma 2; published: 63.34 %.
# Launch: python tools/train.py \
#         projects/inverse_balance/configs/iemf_ann_ogmge_inverse_gamma2_1xb32-100e_kinetics_sounds.py
_base_ = './iemf_ann_ogmge_inverse_1xb32-100e_kinetics_sounds.py'

custom_hooks = [_base_.ogmge, dict(_base_.inverse, gamma=2.0)]
val_evaluator = [*_base_.evaluators[:2], dict(type='InverseCoefficient', gamma=2.0)]
test_evaluator = val_evaluator
