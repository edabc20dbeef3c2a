# VGGSound-GZSL, C3D and VGGish features, sequences: sound (T, 128), frames (T, 4096).
_base_ = './temporal_loaders.py'

dataset_type = 'GZSLDataset'
data_root = 'data/avgzsl/VGGSound'

_clips = dict(
    type=dataset_type, data_root=data_root, features='cls_features_non_averaged', class_split='cls_split',
    word_order='manual_sorted')
train_dataloader = dict(dataset=dict(**_clips, split='train'))
val_dataloader = dict(dataset=dict(**_clips, split='val', test_mode=True))
test_dataloader = dict(dataset=dict(**_clips, split='test', test_mode=True))
