# The audio feature extractor: ConvNeXt-Base on log-mel spectrograms of one channel, 128 x 1000.
# Its start from photographs: model.encoders.audio.weights=convnext_base.pth, in torchvision's names.
custom_imports = dict(imports=['projects.uavm.uavm'])

model = dict(
    type='AVClassifier',
    encoders=dict(
        audio=dict(type='ConvNeXtEncoder', size='base', in_channels=1, stochastic_depth_prob=0.5, weights=None)),
    fusion=dict(type='ConcatFusion'),
    num_classes=309,
    loss=dict(type='CrossEntropyLoss'))
