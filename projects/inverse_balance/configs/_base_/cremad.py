# CREMA-D with the published batch size.
_base_ = ['../../../../configs/_base_/datasets/cremad.py', './model.py', './runtime.py']

model = dict(num_classes=6)
train_dataloader = dict(batch_size=32)
val_dataloader = dict(batch_size=32)
test_dataloader = dict(batch_size=32)
val_evaluator = _base_.evaluators
test_evaluator = val_evaluator
inverse = dict(starts=60)  # the heads are trained from the first epoch on
