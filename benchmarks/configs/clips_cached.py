# The clips of clips.py with both caches: spectrograms, and decoded frames (the very pixels of the jpg files).
# Launch: as clips.py; the first epoch fills the caches, so warm up a whole epoch: 256 clips are --iters 8.
_base_ = 'clips.py'
train_dataloader = dict(dataset=dict(pipeline=[
    dict(type='CachedSpectrogram', transforms={{_base_.sound}}, cache_dir='data/bench_clips/spectrograms'),
    dict(type='LoadFrames', num_frames=1, backend='torch', cache_dir='data/bench_clips/decoded'),
    dict(type='RandomResizedCrop', size=224),
    dict(type='RandomHorizontalFlip'),
    dict(type='PackAVInputs'),
]))
