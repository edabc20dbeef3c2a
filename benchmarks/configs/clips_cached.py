# The clips of clips.py with the cache of spectrograms; its first epoch fills the cache, so warm up a whole epoch.
# Launch: as clips.py; 256 clips are --iters 8 for a repeat.
_base_ = 'clips.py'
train_dataloader = dict(dataset=dict(pipeline=[
    dict(type='CachedSpectrogram', transforms={{_base_.sound}}, cache_dir='data/bench_clips/spectrograms'),
    dict(type='LoadFrames', num_frames=1),
    dict(type='RandomResizedCrop', size=224),
    dict(type='RandomHorizontalFlip'),
    dict(type='PackAVInputs'),
]))
