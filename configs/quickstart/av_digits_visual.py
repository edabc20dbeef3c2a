# The visual branch of the quickstart, trained alone: the baseline that each branch of the joint model is held against.
# Launch:   python tools/train.py configs/quickstart/av_digits_visual.py
_base_ = './av_digits.py'

model = dict(
    encoders=dict(_delete_=True, visual=dict(type='SmallConvNet', in_channels=3)),
    fusion=dict(type='LinearHead'))
train_dataloader = dict(dataset=dict(pipeline=[*_base_.train_frames, dict(type='PackAVInputs')]))
val_dataloader = dict(dataset=dict(pipeline=[*_base_.test_frames, dict(type='PackAVInputs')]))
test_dataloader = dict(dataset=dict(pipeline=[*_base_.test_frames, dict(type='PackAVInputs')]))
