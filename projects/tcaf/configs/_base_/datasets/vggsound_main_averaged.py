# VGGSound-GZSL, SeLaVi features, means over time: sound and frames (512).
_base_ = './averaged_loaders.py'

dataset_type = 'GZSLDataset'
data_root = 'data/avgzsl/VGGSound'

_clips = dict(
    type=dataset_type, data_root=data_root, features='main_features', class_split='main_split',
    word_order='manual_sorted')
train_dataloader = dict(dataset=dict(**_clips, split='train'))
val_dataloader = dict(dataset=dict(**_clips, split='val', test_mode=True))
test_dataloader = dict(dataset=dict(**_clips, split='test', test_mode=True))
