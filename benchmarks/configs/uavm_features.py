# UAVM on made-up features of VGGSound's size, packed, finished in batches, for timing.
# Launch: python tools/analysis_tools/benchmark.py benchmarks/configs/uavm_features.py --what data --workers 1 \
#             --compare benchmarks/uavm_data.py
default_scope = 'avmm'
custom_imports = dict(imports=['projects.uavm.uavm'])
data_root = 'data/bench_uavm'
prepare_data = dict(script='benchmarks/make_uavm_features.py', creates=data_root, args=[])
train_dataloader = dict(
    batch_size=144, num_workers=1, persistent_workers=True, drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type='UAVMFeatureDataset', data_root=data_root, ann_file='clips.json', label_file='labels.csv',
                 store='features.h5', mode='batch', mixup=0.5, noise=True, label_smooth=0.1))
model = dict(type='UAVM', num_classes=309, data_preprocessor=dict(type='UAVMDataPreprocessor'))
optim_wrapper = dict(
    type='OptimWrapper', zero_grad_set_to_none=False,
    optimizer=dict(type='Adam', lr=5e-5, betas=(0.95, 0.999), weight_decay=5e-7))
