# Kinetics-Sounds with three random frames of each test clip too, in the place of the second, sixth and ninth of ten.
_base_ = './kinetics_sounds.py'

test_dataloader = dict(dataset=dict(pipeline=[
    *_base_.audio_pipeline,
    dict(type='LoadFrames', num_frames=3, sampling='random'),
    *_base_.test_frames[1:],
    dict(type='PackAVInputs'),
]))
