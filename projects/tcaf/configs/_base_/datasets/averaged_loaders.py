# How means over time are drawn and measured: 500 batches of 256 an epoch, every class equally likely. A method that
# compares with clips of other classes sets train_dataloader.dataset.negatives.
_loader = dict(num_workers=1, persistent_workers=True, pin_memory=True, batch_size=256)
train_dataloader = dict(**_loader, sampler=dict(type='GZSLSampler', num_batches=500, batch_size=256))
val_dataloader = dict(**_loader, sampler=dict(type='DefaultSampler', shuffle=False))
test_dataloader = dict(**_loader, sampler=dict(type='DefaultSampler', shuffle=False))
val_evaluator = dict(type='GZSLMetric', beta_rule='avca')
test_evaluator = dict(type='GZSLMetric', beta_rule='avca')
