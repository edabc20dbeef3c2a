# AVE: the class of each of ten seconds of a video, learned from labels of every second.
_base_ = './ave_loaders.py'

dataset_type = 'AVEDataset'
data_root = 'data/ave'
num_classes = 29  # 28 events and background

_videos = dict(type=dataset_type, data_root=data_root, setting='supervised')
train_dataloader = dict(dataset=dict(**_videos, split='train'))
val_dataloader = dict(dataset=dict(**_videos, split='val', test_mode=True))
test_dataloader = dict(dataset=dict(**_videos, split='test', test_mode=True))
