# f-VAEGAN-D2 in small on synthetic UCF-GZSL, features like those of SeLaVi: both stages and the test in minutes.
# Three hundred updates, where the others take a hundred: a generator learns later than a projection. Generated classes
# are as large as real ones, and the classifier is that of its last epoch: nothing is chosen on the data of the test.
# Launch: python tools/train.py projects/tcaf/configs/fvaegan_synthetic.py
_base_ = [
    './_base_/datasets/ucf_synthetic_averaged.py',
    './_base_/models/fvaegan.py',
    './_base_/schedules/fvaegan.py',
    './_base_/runtime_small.py',
]

_clips = dict(features='main_features', class_split='main_split')
train_dataloader = dict(drop_last=True, dataset=_clips)
val_dataloader = dict(dataset=_clips)
test_dataloader = dict(dataset=_clips)
val_evaluator = dict(beta=0.0)
test_evaluator = dict(beta=0.0)
model = dict(gan_weight=10)
train_cfg = dict(max_epochs=15, stage2_epochs='best')
test_cfg = dict(beta=0.0)
custom_hooks = [dict(type='GeneratedFeaturesHook', count=64, epochs=60, lr=1e-3, select='last')]
