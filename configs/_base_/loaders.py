# How the clips of the real data sets are drawn and measured; the files of datasets/ say what a clip is.
_loader = dict(batch_size=64, num_workers=8, persistent_workers=True, pin_memory=True)
train_dataloader = dict(**_loader, drop_last=True, sampler=dict(type='DefaultSampler', shuffle=True))
val_dataloader = dict(**_loader, sampler=dict(type='DefaultSampler', shuffle=False))
test_dataloader = dict(**_loader, sampler=dict(type='DefaultSampler', shuffle=False))
val_evaluator = dict(type='AVAccuracy', topk=(1, 5))
test_evaluator = val_evaluator
