# DMRN (ECCV 2018): the attention and the BiLSTMs of A+V-att, joined by a dual multimodal residual network.
_base_ = './avel_att.py'

model = dict(fusion='dmrn', num_rounds=1, head=dict(hidden_channels=None))
