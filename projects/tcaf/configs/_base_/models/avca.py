# AVCA on SeLaVi features: what all recipes share, and the settings of UCF-GZSL.
# Others:  encoder / projection / word dropout, momentum: UCF cls 0.2 / 0.3 / 0.5, 0.99; ActivityNet, both features
#          0.2 / 0.2 / 0.1, 0.99; VGGSound main 0 / 0 / 0.1, 0.1; VGGSound cls 0 / 0 / 0, 0.99.
model = dict(
    type='AVCA',
    in_channels=dict(audio=512, visual=512),
    channels=300,
    embed_channels=64,
    encoder=dict(hidden_channels=512, dropout=0.2),
    projection=dict(hidden_channels=512, dropout=0.3),
    transformer=dict(depth=1, num_heads=3, head_channels=100, hidden_channels=64),  # dropout is that of the encoders
    word_dropout=0.5,
    momentum=0.1,
    triplet_weights=(1.0, 1.0),
    train_positions=False,  # as published: the optimiser never gets them
    extra_bn_pass=True)  # as published
