# The audio extractor on AV-Digits, which is made at first use: a ConvNeXt of 1M weights on 32 x 96 filter banks. Mean
# and standard deviation are those of the training clips: with the statistics of another data set it learns nothing.
# Launch:   python tools/train.py projects/uavm/configs/av_digits/audio_extractor.py
# Override: --cfg-options train_cfg.max_epochs=20
_base_ = ['../../../../configs/_base_/loaders.py', '../_base_/extractor.py', '../_base_/av_digits_extractor.py']

data_root = 'data/av_digits'
prepare_data = dict(script='projects/uavm/tools/av_digits_clips.py', creates=data_root + '/uavm', args=[])
select_on = 'val'

model = dict(
    num_classes=10,
    encoders=dict(audio=dict(
        size=dict(**_base_.small_size, _delete_=True), stochastic_depth_prob=0.0, layer_scale=1.0)))
_clips = dict(
    type='UAVMAudioDataset', data_root=data_root, label_file='uavm/labels.csv', num_mel_bins=32,
    target_length=96, mean=-0.54, std=2.82)
_train = dict(ann_file='uavm/train.json', val_fraction=0.15)
train_dataloader = dict(
    batch_size=32, num_workers=1, drop_last=True, pin_memory=False,
    sampler=dict(_delete_=True, type='UAVMWeightedSampler', weights='inverse_frequency'),
    dataset=dict(**_clips, **_train, split='train', mixup=0.2, label_smooth=0.1, freqm=6, timem=16, noise=True))
val_dataloader = dict(
    batch_size=64, num_workers=1, pin_memory=False, dataset=dict(**_clips, **_train, split='val', test_mode=True))
test_dataloader = dict(
    batch_size=64, num_workers=1, pin_memory=False,
    dataset=dict(**_clips, ann_file='uavm/test.json', split='test', test_mode=True))

optim_wrapper = dict(type='OptimWrapper', optimizer=dict(lr=1e-3))
default_hooks = dict(checkpoint=dict(max_keep_ckpts=1))
custom_hooks = [
    *_base_.small_hooks,
    _base_.ensemble,
    dict(type='ResultTableHook', columns=[
        'accuracy/joint', *_base_.columns, 'accuracy/ensemble', 'AUC/ensemble', 'lr']),
]
val_evaluator = dict(_base_.statistics, _delete_=True, loss=dict(type='CrossEntropyLoss'))
test_evaluator = val_evaluator
