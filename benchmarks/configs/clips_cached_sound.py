# The clips of clips.py with the cache of spectrograms alone; every jpg is decoded each time.
# Launch: as clips.py; the first epoch fills the cache, so warm up a whole epoch: 256 clips are --iters 8.
_base_ = 'clips.py'
train_dataloader = dict(dataset=dict(pipeline=[
    dict(type='CachedSpectrogram', transforms={{_base_.sound}}, cache_dir='data/bench_clips/spectrograms'),
    dict(type='LoadFrames', num_frames=1, backend='torch'),
    dict(type='RandomResizedCrop', size=224),
    dict(type='RandomHorizontalFlip'),
    dict(type='PackAVInputs'),
]))
