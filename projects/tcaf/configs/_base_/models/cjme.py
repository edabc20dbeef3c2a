# CJME on SeLaVi features: what all recipes share. Dropout is 0 on VGGSound-GZSL.
model = dict(
    type='CJME',
    in_channels=dict(audio=512, visual=512),
    net=dict(hidden_channels=1024, dropout=0.2),
    pairs_of_loss='all')  # as published: broadcasting pairs every attention with every loss
