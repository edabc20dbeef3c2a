# The schedule with lr_adapt: the rate is halved when the main metric has not grown for more than two epochs.
_base_ = './adam_halving.py'

param_scheduler = dict(
    _delete_=True, type='ReduceOnPlateauLR', monitor='accuracy/joint', rule='greater', factor=0.5, patience=2)
