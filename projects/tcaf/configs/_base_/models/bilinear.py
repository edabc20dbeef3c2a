# DeViSE, ALE and SJE on SeLaVi features: what all recipes share. Dropout is 0 on VGGSound-GZSL; features of C3D and
# VGGish are brought to length 1.
model = dict(
    type='BilinearCompatibility',
    in_channels=dict(audio=512, visual=512),
    dropout=0.2,
    word_dropout=True)  # as published: of the class words too
