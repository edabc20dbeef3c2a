# Two pre-activation ResNet-18s, concatenation, a head for each modality. The row names num_classes.
model = dict(
    type='AVClassifier',
    encoders=dict(
        audio=dict(type='PreActResNet18', in_channels=1),
        visual=dict(type='PreActResNet18', in_channels=3)),
    fusion=dict(type='ConcatFusion'),
    heads=True,
    loss=dict(type='LabelSmoothLoss', eps=0.1),
    data_preprocessor=dict(
        type='AVDataPreprocessor',
        normalize=dict(visual=dict(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]))))
