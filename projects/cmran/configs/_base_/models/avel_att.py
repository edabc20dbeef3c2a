# A+V-att (ECCV 2018): audio-guided attention, a BiLSTM a modality, both side by side, a softmax for every segment.
custom_imports = dict(imports=['projects.cmran.cmran'])

model = dict(
    type='AVELNet',
    fusion='concat',
    num_cells=49,  # the 7 x 7 cells of VGG-19 pool5; the layers of the attention depend on it
    head=dict(type='AVELHead', num_events=28, hidden_channels=64, loss=dict(type='SoftMarginLoss', squash=True)))
