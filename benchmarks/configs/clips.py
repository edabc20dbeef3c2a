# The recipe of CREMA-D (one frame and three seconds of sound a clip, two ResNet-18) on made-up clips, for timing.
# Make them first: python benchmarks/make_clips.py --out data/bench_clips
# Launch: python tools/analysis_tools/benchmark.py benchmarks/configs/clips.py --what data --workers 1
default_scope = 'avmm'
sound = [
    dict(type='LoadAudio'),
    dict(type='ResampleAudio', sample_rate=22050),
    dict(type='CropOrRepeatAudio', repeat=3, length=3 * 22050),
    dict(type='ClampAudio'),
    dict(type='LogSpectrogram'),  # (1, 257, 188)
]
frames = [
    dict(type='LoadFrames', num_frames=1),
    dict(type='RandomResizedCrop', size=224),
    dict(type='RandomHorizontalFlip'),
    dict(type='PackAVInputs'),
]
train_dataloader = dict(
    batch_size=32, num_workers=1, persistent_workers=True, drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type='AVClipDataset', data_root='data/bench_clips', ann_file='clips.csv',
                 classes=('ANG', 'DIS', 'FEA', 'HAP', 'NEU', 'SAD'),
                 layout=dict(audio_path='audio/{id}.wav', image_path='frames/{id}.jpg'), pipeline=sound + frames))
model = dict(
    type='AVClassifier', num_classes=6,
    encoders=dict(audio=dict(type='AVResNet18', in_channels=1), visual=dict(type='AVResNet18', in_channels=3)),
    fusion=dict(type='ConcatFusion'),
    data_preprocessor=dict(type='AVDataPreprocessor', normalize=dict(
        visual=dict(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]))))
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=1e-3, momentum=0.9, weight_decay=1e-4))
train_cfg = dict(type='EpochTrainLoop', max_epochs=1)
