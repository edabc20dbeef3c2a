# AV-Digits: handwritten digits that are spoken at the same time. It is made at first use.
dataset_type = 'AVDigits'
data_root = 'data/av_digits'
num_classes = 10
# Clear speech and noisy pictures: a network that sees both learns to listen.
prepare_data = dict(script='tools/dataset_converters/av_digits.py', creates=data_root,
                    args=['--audio-snr', '10', '--visual-noise', '0.4'])

audio_pipeline = [
    dict(type='LoadAudio'),
    dict(type='ResampleAudio', sample_rate=22050),  # does nothing to sound that has this rate
    dict(type='CropOrRepeatAudio', length=22050),
    dict(type='LogSpectrogram', n_fft=512, hop_length=353),  # 257 frequencies at 63 times
]
train_frames = test_frames = [
    dict(type='LoadFrames', num_frames=3, sampling='all'),
]
train_pipeline = test_pipeline = [*audio_pipeline, *train_frames, dict(type='PackAVInputs')]

train_dataloader = dict(
    batch_size=32, num_workers=1, persistent_workers=True, drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type=dataset_type, data_root=data_root, split='train', val_fraction=0.15, pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=64, num_workers=1, persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type=dataset_type, data_root=data_root, split='val', val_fraction=0.15, pipeline=test_pipeline,
                 test_mode=True))
test_dataloader = dict(
    batch_size=64, num_workers=1, persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type=dataset_type, data_root=data_root, split='test', pipeline=test_pipeline, test_mode=True))
val_evaluator = dict(type='AVAccuracy')
test_evaluator = val_evaluator
