# The schedule of AVCA and what it is compared with: 50 epochs in both stages; tested is the epoch that stage 1 chose.
# fused: one pass over the weights where Adam takes eight; the same update.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-3, fused=True))
param_scheduler = dict(type='ReduceOnPlateauLR', monitor='gzsl/hm', rule='greater', factor=0.1, patience=3)
train_cfg = dict(
    type='ZeroShotTrainLoop', stage='all', max_epochs=50, stage2_epochs='all', stage2_dataset=dict(split='train_val'))
val_cfg = dict(type='ZeroShotValLoop', loss='balanced', stage2_loss_dataset=dict(split='train_val'))
test_cfg = dict(type='ZeroShotTestLoop')
