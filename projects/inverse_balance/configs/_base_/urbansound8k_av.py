# UrbanSound8K-AV with the published batch size.
_base_ = ['../../../../configs/_base_/datasets/urbansound8k_av.py', './model.py', './runtime.py']

model = dict(num_classes=10)
train_dataloader = dict(batch_size=32)
val_dataloader = dict(batch_size=32)
test_dataloader = dict(batch_size=32)
val_evaluator = _base_.evaluators
test_evaluator = val_evaluator
