# The schedule of f-VAEGAN-D2: 50 epochs in both stages. The published loop leaves an epoch after its first batch:
# train_dataloader.sampler.num_batches=1.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-3, betas=(0.5, 0.999)))
train_cfg = dict(
    type='ZeroShotTrainLoop', stage='all', max_epochs=50, stage2_epochs='all', stage2_dataset=dict(split='train_val'))
val_cfg = dict(type='ZeroShotValLoop', loss=None)
test_cfg = dict(type='ZeroShotTestLoop')
