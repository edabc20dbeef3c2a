# How sequences are drawn and measured: 300 batches of 64 an epoch, every class equally likely. Batches are read from
# the packed file, so that one worker serves a GPU.
_loader = dict(num_workers=1, persistent_workers=True, pin_memory=True, batch_size=64)
train_dataloader = dict(**_loader, sampler=dict(type='GZSLSampler', num_batches=300, batch_size=64))
val_dataloader = dict(**_loader, sampler=dict(type='DefaultSampler', shuffle=False))
test_dataloader = dict(**_loader, sampler=dict(type='DefaultSampler', shuffle=False))
val_evaluator = dict(type='GZSLMetric')
test_evaluator = dict(type='GZSLMetric')
