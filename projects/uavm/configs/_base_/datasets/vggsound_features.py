# Features of VGGSound, packed: 309 classes, 15,446 test clips. The clips are drawn by the weights of their classes,
# those that tools/make_weights.py writes (sampler.weight_file=... reads them instead).
# A file for each clip: --cfg-options with mode=item and store=None in each dataset.
_base_ = '../../../../../configs/_base_/loaders.py'

data_root = 'data/vggsound'
_clips = dict(
    type='UAVMFeatureDataset', data_root=data_root, label_file='datafile/class_labels_indices_vgg.csv',
    seq_len=30, feat_norm=True, mode='batch')
_train = dict(ann_file='datafile/train_vgg_convnext.json', store='vgg_feat/train.h5', val_fraction=0.05)
train_dataloader = dict(
    batch_size=144, drop_last=True,
    sampler=dict(_delete_=True, type='UAVMWeightedSampler', weights='inverse_frequency'),
    dataset=dict(**_clips, **_train, split='train', mixup=0.5, label_smooth=0.1, noise=True))
val_dataloader = dict(batch_size=144, dataset=dict(**_clips, **_train, split='val', test_mode=True))
test_dataloader = dict(
    batch_size=144,
    dataset=dict(**_clips, ann_file='datafile/test_vgg_convnext.json', store='vgg_feat/test.h5', split='test',
                 test_mode=True))
val_evaluator = dict(_delete_=True, type='UAVMStatistics')
test_evaluator = val_evaluator
