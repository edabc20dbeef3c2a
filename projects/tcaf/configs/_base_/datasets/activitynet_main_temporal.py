# ActivityNet-GZSL, SeLaVi features, sequences: sound and frames (T, 512), a step a second.
# Clips are long: 60 steps of frames from anywhere in training, 300 from the middle in evaluation.
_base_ = './temporal_loaders.py'

dataset_type = 'GZSLDataset'
data_root = 'data/avgzsl/ActivityNet'

_clips = dict(
    type=dataset_type, data_root=data_root, features='main_features_non_averaged', class_split='main_split',
    word_order='manual_sorted')
_train_len = dict(mode='fixed', max_len=60, trim='random', rates=dict(audio=1.0, visual=1.0))
_test_len = dict(mode='fixed', max_len=300, trim='center', rates=dict(audio=1.0, visual=1.0))
train_dataloader = dict(dataset=dict(**_clips, split='train', seq_len=_train_len))
val_dataloader = dict(dataset=dict(**_clips, split='val', seq_len=_test_len, test_mode=True))
test_dataloader = dict(dataset=dict(**_clips, split='test', seq_len=_test_len, test_mode=True))
