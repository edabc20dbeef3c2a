# DCMR (IEEE TMM 2022), from audio to visual: the event is known in the audio and looked for in the frames.
custom_imports = dict(imports=['projects.dmin.dmin'])

model = dict(
    type='DCMR',
    direction='a2v',
    decoder=dict(attention=dict(type='DenseInterModalityAttention', num_heads=4, lam=0.5), dropout=0.02),
    matching=dict(type='AccumulatingMatching'),
    head=dict(type='WindowHead'))
