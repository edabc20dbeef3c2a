# CREMA-D: six acted emotions; three seconds of sound and one frame.
_base_ = '../loaders.py'

dataset_type = 'CREMAD'
data_root = 'data/cremad'
num_classes = 6

# The sound is deterministic, so it is computed once and read back afterwards.
audio_pipeline = [
    dict(type='CachedSpectrogram', cache_dir=data_root + '/spectrograms', transforms=[
        dict(type='LoadAudio'),
        dict(type='ResampleAudio', sample_rate=22050),
        dict(type='CropOrRepeatAudio', repeat=3, length=66150),
        dict(type='ClampAudio'),
        dict(type='LogSpectrogram', n_fft=512, hop_length=353),  # 257 frequencies at 188 times
    ]),
]
train_frames = [
    dict(type='LoadFrames', num_frames=1),
    dict(type='RandomResizedCrop', size=224),
    dict(type='RandomHorizontalFlip'),
]
test_frames = [
    dict(type='LoadFrames', num_frames=1),
    dict(type='Resize', size=(224, 224)),
]
train_pipeline = [*audio_pipeline, *train_frames, dict(type='PackAVInputs')]
test_pipeline = [*audio_pipeline, *test_frames, dict(type='PackAVInputs')]

_clips = dict(type=dataset_type, data_root=data_root)
train_dataloader = dict(dataset=dict(**_clips, split='train', val_fraction=0.1, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(**_clips, split='val', val_fraction=0.1, pipeline=test_pipeline, test_mode=True))
test_dataloader = dict(dataset=dict(**_clips, split='test', pipeline=test_pipeline, test_mode=True))
