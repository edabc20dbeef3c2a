# A ResNet-18 on frames: the visual-only baseline.
_base_ = './resnet18_concat.py'

model = dict(
    encoders=dict(_delete_=True, visual=dict(type='AVResNet18', in_channels=3)),
    fusion=dict(_delete_=True, type='LinearHead'))
