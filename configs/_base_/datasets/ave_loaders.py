# How the videos of AVE are drawn and measured. Features come in batches, so that one worker serves a GPU.
_loader = dict(num_workers=1, persistent_workers=True, pin_memory=True)
train_dataloader = dict(**_loader, batch_size=32, sampler=dict(type='DefaultSampler', shuffle=True))
val_dataloader = dict(**_loader, batch_size=16, sampler=dict(type='DefaultSampler', shuffle=False))
test_dataloader = dict(**_loader, batch_size=16, sampler=dict(type='DefaultSampler', shuffle=False))
val_evaluator = dict(type='SegmentAccuracy')
test_evaluator = val_evaluator
