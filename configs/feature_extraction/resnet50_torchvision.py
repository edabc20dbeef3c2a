# A feature of 2048 numbers for one frame a second, by ResNet-50 of torchvision; any of its networks by name.
# python tools/feature_extraction/extract.py configs/feature_extraction/resnet50_torchvision.py VIDEOS features.h5
# docs/extraction.md says where the file of weights comes from.
extractors = dict(
    visual=dict(type='TorchvisionFeatures', name='resnet50', weights='data/weights/resnet50-11ad3fa6.pth', rate=1.0))
