# CMRAN (ACM MM 2020) with full supervision: what happens in each segment, and which of 28 events it is.
custom_imports = dict(imports=['projects.cmran.cmran'])

model = dict(
    type='CrossModalLocalizer',
    visual_attention=dict(type='AGSCA'),
    interaction=dict(num_heads=4),
    head=dict(type='SupervisedEventHead', num_events=28))
