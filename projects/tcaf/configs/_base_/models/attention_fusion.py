# Attention fusion on the encoders, heads and losses of TCAF. No reference code: the pooling is a design of AVMM.
_base_ = ['./tcaf.py']

model = dict(
    _delete_=True,
    type='TemporalAttentionFusion',
    in_channels={{_base_.model.in_channels}},
    channels={{_base_.model.channels}},
    embed_channels={{_base_.model.embed_channels}},
    encoder={{_base_.model.encoder}},
    position={{_base_.model.position}},
    head={{_base_.model.head}},
    word_dropout={{_base_.model.word_dropout}},
    attention_channels=128)
