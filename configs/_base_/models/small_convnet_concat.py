# Two small convolutional networks, their features concatenated: seconds an epoch on a laptop.
model = dict(
    type='AVClassifier',
    num_classes=10,
    encoders=dict(
        audio=dict(type='SmallConvNet', in_channels=1),
        visual=dict(type='SmallConvNet', in_channels=3)),
    fusion=dict(type='ConcatFusion'),
    loss=dict(type='CrossEntropyLoss'),
    data_preprocessor=dict(
        type='AVDataPreprocessor',
        normalize=dict(
            audio=dict(mean=-0.65, std=0.76),
            visual=dict(mean=[0.32, 0.32, 0.32], std=[0.31, 0.31, 0.31]))))
