# Sweep of gamma with OGM-GE on Kinetics-Sounds, gamma 3; published: 62.18 %.
# Launch: python tools/train.py \
#         projects/inverse_balance/configs/iemf_ann_ogmge_inverse_gamma3_1xb32-100e_kinetics_sounds.py
_base_ = './iemf_ann_ogmge_inverse_1xb32-100e_kinetics_sounds.py'

custom_hooks = [_base_.ogmge, dict(_base_.inverse, gamma=3.0)]
val_evaluator = [*_base_.evaluators[:2], dict(type='InverseCoefficient', gamma=3.0)]
test_evaluator = val_evaluator
