# Synthetic UCF-GZSL, made at first use in half a minute: means over time, a fifth of the clips, 20 batches of 64 an
# epoch. Every class has its own word vector. The published files take its place with `data_root`: both have the same
# form.
_base_ = './ucf_cls_averaged.py'

data_root = 'data/ucf_gzsl_synthetic'
prepare_data = dict(script='projects/tcaf/tools/make_synthetic.py', creates=data_root)

_made = dict(data_root=data_root, word_order='by_class')
train_dataloader = dict(batch_size=64, sampler=dict(num_batches=20, batch_size=64), dataset=_made)
val_dataloader = dict(dataset=_made)
test_dataloader = dict(dataset=_made)
