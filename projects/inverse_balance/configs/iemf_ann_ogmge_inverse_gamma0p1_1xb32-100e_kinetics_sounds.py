# Sweep of gamma with OGM-GE on Kinetics-Sounds, gamma 0.1; published: 60.41 %.
# Launch: python tools/train.py \
#         projects/inverse_balance/configs/iemf_ann_ogmge_inverse_gamma0p1_1xb32-100e_kinetics_sounds.py
_base_ = './iemf_ann_ogmge_inverse_1xb32-100e_kinetics_sounds.py'

custom_hooks = [_base_.ogmge, dict(_base_.inverse, gamma=0.1)]
val_evaluator = [*_base_.evaluators[:2], dict(type='InverseCoefficient', gamma=0.1)]
test_evaluator = val_evaluator
