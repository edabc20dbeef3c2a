# CREMA-D with the published "SNN" recipe: four equal time steps with rectifying nodes, as released.
# The network runs once for the four. README.md says how to make it spike.
_base_ = './cremad.py'

model = dict(encoders=dict(audio=dict(steps=4), visual=dict(steps=4)))
