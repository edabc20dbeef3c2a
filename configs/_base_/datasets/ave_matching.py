# AVE: where in the video the event of a sound is, and where in the sound that of a picture. It has splits of its own.
_base_ = './ave_loaders.py'

dataset_type = 'AVEDataset'
data_root = 'data/ave'

_videos = dict(type=dataset_type, data_root=data_root, setting='matching')
train_dataloader = dict(dataset=dict(**_videos, split='train'))
val_dataloader = dict(dataset=dict(**_videos, split='val', test_mode=True))
test_dataloader = dict(dataset=dict(**_videos, split='test', test_mode=True))
val_evaluator = dict(type='CrossModalLocalization', _delete_=True)
test_evaluator = val_evaluator
