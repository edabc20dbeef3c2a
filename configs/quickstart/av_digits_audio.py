# The audio branch of the quickstart, trained alone: the baseline that each branch of the joint model is held against.
# Launch:   python tools/train.py configs/quickstart/av_digits_audio.py
_base_ = './av_digits.py'

model = dict(
    encoders=dict(_delete_=True, audio=dict(type='SmallConvNet', in_channels=1)),
    fusion=dict(type='LinearHead'))
train_dataloader = dict(dataset=dict(pipeline=[*_base_.audio_pipeline, dict(type='PackAVInputs')]))
val_dataloader = dict(dataset=dict(pipeline=[*_base_.audio_pipeline, dict(type='PackAVInputs')]))
test_dataloader = dict(dataset=dict(pipeline=[*_base_.audio_pipeline, dict(type='PackAVInputs')]))
