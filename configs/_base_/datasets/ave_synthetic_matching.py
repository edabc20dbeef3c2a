# Synthetic AVE, made at first use in seconds: 400 videos, one vector a second, for localisation across the modalities.
# The real files take its place with `data_root`: both have the same form.
_base_ = './ave_matching.py'

data_root = 'data/ave_synthetic'
prepare_data = dict(script='tools/dataset_converters/ave_synthetic.py', creates=data_root)

train_dataloader = dict(dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = dict(dataset=dict(data_root=data_root))
