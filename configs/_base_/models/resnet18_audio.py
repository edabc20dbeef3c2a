# A ResNet-18 on spectrograms: the audio-only baseline.
_base_ = './resnet18_concat.py'

model = dict(
    encoders=dict(_delete_=True, audio=dict(type='AVResNet18', in_channels=1)),
    fusion=dict(_delete_=True, type='LinearHead'))
