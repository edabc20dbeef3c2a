# A ResNet-18 on frames: the visual-only baseline. The recipe names num_classes.
model = dict(
    type='AVClassifier',
    encoders=dict(
        visual=dict(type='AVResNet18', in_channels=3)),
    fusion=dict(type='LinearHead'),
    loss=dict(type='CrossEntropyLoss'),
    data_preprocessor=dict(
        type='AVDataPreprocessor',
        normalize=dict(visual=dict(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]))))
