# Perceiver on the encoders, heads and losses of TCAF. No reference code: the sizes are a choice of AVMM.
_base_ = ['./tcaf.py']

model = dict(
    _delete_=True,
    type='TemporalPerceiver',
    in_channels={{_base_.model.in_channels}},
    channels={{_base_.model.channels}},
    embed_channels={{_base_.model.embed_channels}},
    encoder={{_base_.model.encoder}},
    position={{_base_.model.position}},
    head={{_base_.model.head}},
    word_dropout={{_base_.model.word_dropout}},
    num_latents=16,
    rounds=2,
    depth=2,
    num_heads=8,
    head_channels=64,
    hidden_channels=128,
    dropout=0.3)
