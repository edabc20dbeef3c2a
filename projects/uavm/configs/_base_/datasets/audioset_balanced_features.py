# Features of the balanced part of AudioSet, 20k clips, packed. Every clip is seen once an epoch.
_base_ = '../../../../../configs/_base_/loaders.py'

data_root = 'data/audioset'
_clips = dict(
    type='UAVMFeatureDataset', data_root=data_root, label_file='datafile/class_labels_indices.csv',
    seq_len=30, feat_norm=True, mode='batch')
_train = dict(ann_file='datafile/train_balanced_convnext.json', store='features/train_balanced.h5', val_fraction=0.05)
train_dataloader = dict(
    batch_size=144, drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(**_clips, **_train, split='train', mixup=0.5, label_smooth=0.1, noise=True))
val_dataloader = dict(batch_size=144, dataset=dict(**_clips, **_train, split='val', test_mode=True))
test_dataloader = dict(
    batch_size=144,
    dataset=dict(**_clips, ann_file='datafile/eval_convnext.json', store='features/eval.h5', split='test',
                 test_mode=True))
val_evaluator = dict(_delete_=True, type='UAVMStatistics')
test_evaluator = val_evaluator
