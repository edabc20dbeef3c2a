# Features of sixteen frames a second by a small network, whose time the rest of an extraction is compared with.
media = dict(backend='pyav')
extractors = dict(
    visual=dict(type='TorchvisionFeatures', name='resnet18', rate=16.0, resize_to=224, crop=224, batch_size=32))
