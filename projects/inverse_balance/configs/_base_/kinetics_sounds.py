# Kinetics-Sounds with the published batch size.
_base_ = ['../../../../configs/_base_/datasets/kinetics_sounds.py', './model.py', './runtime.py']

model = dict(num_classes=31)
train_dataloader = dict(batch_size=32)
val_dataloader = dict(batch_size=32)
test_dataloader = dict(batch_size=32)
val_evaluator = _base_.evaluators
test_evaluator = val_evaluator
