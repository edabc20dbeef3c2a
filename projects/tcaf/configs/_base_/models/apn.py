# APN on SeLaVi features: what all recipes share. Features of C3D and VGGish are brought to length 1.
model = dict(
    type='APN',
    in_channels=dict(audio=512, visual=512),
    double_softmax=True)  # as published
