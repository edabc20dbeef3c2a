# Sounds of the balanced part of AudioSet as filter banks; the lists name them as "wav".
_base_ = '../../../../../configs/_base_/loaders.py'

data_root = 'data/audioset'
_clips = dict(
    type='UAVMAudioDataset', data_root=data_root, label_file='datafile/class_labels_indices.csv',
    mean=-4.2677, std=4.5690, target_length=1000)
_train = dict(ann_file='datafile/train_balanced.json', val_fraction=0.05)
train_dataloader = dict(
    batch_size=120, num_workers=16, drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        **_clips, **_train, split='train', mixup=0.5, label_smooth=0.1, freqm=48, timem=192, noise=True))
val_dataloader = dict(batch_size=120, dataset=dict(**_clips, **_train, split='val', test_mode=True))
test_dataloader = dict(
    batch_size=120, dataset=dict(**_clips, ann_file='datafile/eval.json', split='test', test_mode=True))
