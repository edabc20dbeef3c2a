# UAVM (IEEE Signal Processing Letters 2022) on VGGSound: three blocks of each modality, three shared ones.
custom_imports = dict(imports=['projects.uavm.uavm'])

model = dict(
    type='UAVM',
    num_classes=309,
    specific_depth=3,
    shared_depth=3,
    channels=1024,
    shared_channels=1024,
    num_heads=4,
    num_steps=30,
    in_channels=1024,
    loss=dict(type='CrossEntropyLoss'),
    data_preprocessor=dict(type='UAVMDataPreprocessor'))
inferencer = dict(type='UAVMInferencer')
