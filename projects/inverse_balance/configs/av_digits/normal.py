# Evidence on AV-Digits: the plain network, no balancing. Ten short epochs.
# Launch:   python tools/train.py projects/inverse_balance/configs/av_digits/normal.py
# All rows: python projects/inverse_balance/tools/evidence.py
_base_ = [
    '../../../../configs/_base_/datasets/av_digits.py',
    '../../../../configs/_base_/models/small_convnet_concat.py',
    '../../../../configs/_base_/schedules/sgd_quick.py',
    '../../../../configs/_base_/default_runtime.py',
]

# Every row has heads, so that all start from the same weights. What a modality says alone is its share of the fusion,
# since most rows leave the heads untrained.
model = dict(heads=True, unimodal_scores='split', loss=dict(type='LabelSmoothLoss', eps=0.1))

# Less to learn from than in the quickstart, so that there is something left to gain: a third of the clips, one noisy
# frame of each, and noise on the spectrograms.
audio = [
    dict(type='CachedSpectrogram', cache_dir='data/spectrograms', transforms=[
        dict(type='LoadAudio'),
        dict(type='ResampleAudio', sample_rate=22050),
        dict(type='CropOrRepeatAudio', length=22050),
        dict(type='LogSpectrogram', n_fft=512, hop_length=353, resize=(64, 64))]),
    dict(type='AddNoise', snr=0.0),
]
small = dict(type='Resize', size=(32, 32))
train_pipeline = [*audio, dict(type='LoadFrames', num_frames=1), small, dict(type='PackAVInputs')]
test_pipeline = [
    *audio, dict(type='LoadFrames', num_frames=1, sampling='centers'), small, dict(type='PackAVInputs')]
loader = dict(num_workers=0, persistent_workers=False)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline, indices=480), **loader)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline), **loader)
test_dataloader = dict(dataset=dict(pipeline=test_pipeline), **loader)

train_cfg = dict(max_epochs=10)
param_scheduler = dict(T_max=10)
default_hooks = dict(checkpoint=dict(interval=10, save_best=None), learning_curve=None)
visualizer = dict(vis_backends=[dict(type='LocalVisBackend')])

# The published windows, shortened like the run: the branches are balanced for the first half of it.
ogmge = dict(type='OGMGE', alpha=0.8, starts=0, ends=4)
mslr = dict(type='MSLRDynamic', factors=dict(audio=0.9, visual=1.1), memory=2, starts=0, ends=4)
lfm = dict(type='LFM', space='feature', weights='constant', weight=1.0)
joint = dict(type='UnimodalLoss')
inverse = dict(type='InverseEffectiveness', gamma=1.0)
# Only the rows with inverse effectiveness, or with joint learning, train the heads.
find_unused_parameters = True
