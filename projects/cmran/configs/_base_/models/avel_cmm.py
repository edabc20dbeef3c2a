# Cross-modality matching (AVDLN, ECCV 2018): two small networks and the distance between what they give.
custom_imports = dict(imports=['projects.cmran.cmran'])

model = dict(
    type='CrossModalMatching',
    in_channels=dict(audio=128, visual=512),
    loss=dict(type='ContrastiveLoss', margin=2.0))
