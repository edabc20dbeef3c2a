# What every run of inverse-effectiveness fusion has: SGD with Nesterov, a hundred epochs, the methods by name.
_base_ = '../../../../configs/_base_/default_runtime.py'

custom_imports = dict(imports=['projects.inverse_balance.inverse_balance'])
select_on = 'test'  # as published: validated after each epoch on the test split, the best epoch counts

default_hooks = dict(checkpoint=dict(max_keep_ckpts=1))

# Matrices and kernels decay, normalisations and biases do not.
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='DimsDecayConstructor',
    optimizer=dict(type='SGD', lr=5e-3, momentum=0.9, nesterov=True, weight_decay=5e-4))
param_scheduler = dict(type='StepLR', by_epoch=True, step_size=70, gamma=0.1)
train_cfg = dict(type='EpochTrainLoop', max_epochs=100, val_interval=1)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(enable=False, base_batch_size=32)

evaluators = [
    dict(type='AVAccuracy', topk=(1, 5)),
    dict(type='CrossEntropyMetric'),
    dict(type='InverseCoefficient'),
]
randomness = dict(seed=2025)
# Without the inverse mechanism nothing trains the heads.
find_unused_parameters = True

# A row names its methods in custom_hooks: first the one that edits the branches, then the fusion.
ogmge = dict(type='OGMGE', alpha=0.8, starts=0, ends=50)
mslr = dict(type='MSLRDynamic', factors=dict(audio=0.9, visual=1.1), starts=0, ends=50)
lfm = dict(type='LFM', space='feature', weights='constant', weight=1.0)
joint = dict(type='UnimodalLoss')
inverse = dict(type='InverseEffectiveness', gamma=1.0, starts=0, ends=100)
