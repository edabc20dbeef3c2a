# Two ResNet-18s, their features concatenated: the model of OGM-GE (CVPR 2022). The recipe names num_classes.
model = dict(
    type='AVClassifier',
    encoders=dict(
        audio=dict(type='AVResNet18', in_channels=1),
        visual=dict(type='AVResNet18', in_channels=3)),
    fusion=dict(type='ConcatFusion'),
    loss=dict(type='CrossEntropyLoss'),
    data_preprocessor=dict(
        type='AVDataPreprocessor',
        normalize=dict(visual=dict(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]))))
