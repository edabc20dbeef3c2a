# AVE: the class of each of ten seconds of a video, learned from the class of the video and 178 videos of background.
_base_ = './ave_loaders.py'

dataset_type = 'AVEDataset'
data_root = 'data/ave'
num_classes = 29  # 28 events and background

_videos = dict(type=dataset_type, data_root=data_root, setting='weak')
train_dataloader = dict(dataset=dict(**_videos, split='train'))
val_dataloader = dict(dataset=dict(**_videos, split='val', test_mode=True))
test_dataloader = dict(dataset=dict(**_videos, split='test', test_mode=True))
