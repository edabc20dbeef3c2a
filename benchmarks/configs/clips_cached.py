# The clips of clips.py with the cache of spectrograms; its first epoch fills the cache, so warm up a whole epoch.
# Launch: as clips.py, with --warm-up 3 --iters 8 for 256 clips.
_base_ = 'clips.py'
train_dataloader = dict(dataset=dict(pipeline=[
    dict(type='CachedSpectrogram', transforms={{_base_.sound}}, cache_dir='data/bench_clips/spectrograms'),
    *{{_base_.frames}}]))
