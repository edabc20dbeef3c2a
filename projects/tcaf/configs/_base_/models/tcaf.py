# TCAF on C3D and VGGish features: what all recipes share, and the sizes of UCF-GZSL.
model = dict(
    type='TCAF',
    in_channels=dict(audio=128, visual=4096),
    channels=300,
    embed_channels=64,
    encoder=dict(hidden_channels=512, dropout=0.3),
    position=dict(embed_channels=64, time='sinusoid', scale=10.0, dropout=0.2),
    transformer=dict(depth=6, num_heads=8, head_channels=64, hidden_channels=128, dropout=0.3, attention='cross'),
    head=dict(hidden_channels=512, dropout=0.1),
    word_dropout=0.1,
    extra_bn_pass=True)  # as published; without it an update takes two thirds of the time
