# The schedule of cross-modality matching: the Adam of Keras, 33390 pairs in batches of 8, 4174 iterations x 20 epochs.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='KerasAdam', lr=1e-3))
train_cfg = dict(type='EpochTrainLoop', max_epochs=20, val_interval=1)
val_cfg = dict()
test_cfg = dict()
