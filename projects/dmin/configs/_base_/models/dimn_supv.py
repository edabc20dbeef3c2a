# DIMN (IEEE TMM 2022) with full supervision: triplet attention over the cells, dense attention between the modalities.
custom_imports = dict(imports=['projects.dmin.dmin'])

model = dict(
    type='CrossModalLocalizer',
    visual_attention=dict(type='AGTA', dropout=0.1, recompute=False),
    decoder=dict(attention=dict(type='DenseInterModalityAttention', num_heads=4, lam=0.5), dropout=0.02),
    interaction=dict(num_heads=4),
    head=dict(type='DMINSupervisedHead', num_events=28, unimodal_weight=0.1))
