# UAVM on the features of AV-Digits that features.py makes: six blocks of 64, a minute.
# Launch:   bash projects/uavm/tools/one_click_recipe.sh (all steps), then
#           python tools/train.py projects/uavm/configs/av_digits/uavm.py
# Override: --cfg-options train_cfg.max_epochs=20
_base_ = [
    '../../../../configs/_base_/loaders.py',
    '../_base_/models/uavm.py',
    '../_base_/schedules/adam_halving.py',
    '../_base_/runtime.py',
]

data_root = 'data/av_digits'
prepare_data = dict(script='projects/uavm/tools/av_digits_clips.py', creates=data_root + '/uavm', args=[])
select_on = 'val'

model = dict(num_classes=10, channels=64, shared_channels=64, num_steps=3, in_channels=192)
_clips = dict(
    type='UAVMFeatureDataset', data_root=data_root, label_file='uavm/labels.csv', store='uavm/features.h5', seq_len=3,
    feat_norm=True, mode='batch')
_train = dict(ann_file='uavm/train.json', val_fraction=0.15)
train_dataloader = dict(
    batch_size=32, num_workers=1, drop_last=True, pin_memory=False,
    sampler=dict(_delete_=True, type='UAVMWeightedSampler', weights='inverse_frequency'),
    dataset=dict(**_clips, **_train, split='train', mixup=0.5, label_smooth=0.1))
val_dataloader = dict(
    batch_size=128, num_workers=1, pin_memory=False, dataset=dict(**_clips, **_train, split='val', test_mode=True))
test_dataloader = dict(
    batch_size=128, num_workers=1, pin_memory=False,
    dataset=dict(**_clips, ann_file='uavm/test.json', split='test', test_mode=True))
val_evaluator = dict(_delete_=True, type='UAVMStatistics')
test_evaluator = val_evaluator

optim_wrapper = dict(optimizer=dict(lr=1e-3))
param_scheduler = dict(milestones=[5, 7, 9])
