# UCF-GZSL, SeLaVi features, sequences: sound and frames (T, 512), a step a second.
_base_ = './temporal_loaders.py'

dataset_type = 'GZSLDataset'
data_root = 'data/avgzsl/UCF'

_clips = dict(
    type=dataset_type, data_root=data_root, features='main_features_non_averaged', class_split='main_split',
    word_order='manual_sorted')
_seq_len = dict(mode='max', rates=dict(audio=1.0, visual=1.0))
train_dataloader = dict(dataset=dict(**_clips, split='train', seq_len=_seq_len))
val_dataloader = dict(dataset=dict(**_clips, split='val', seq_len=_seq_len, test_mode=True))
test_dataloader = dict(dataset=dict(**_clips, split='test', seq_len=_seq_len, test_mode=True))
