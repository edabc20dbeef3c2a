# AVGZSLNet on SeLaVi features: what all recipes share.
model = dict(
    type='AVGZSLNet',
    in_channels=dict(audio=512, visual=512),
    net=dict(hidden_channels=1024, dropout=0.8),
    decoder=dict(hidden_channels=64, dropout=0.5),
    normalize_words=True)
