# Frames as the features of AVE take them, sixteen of each second, for a clip of six seconds.
# PyAV decodes as here, frame after frame, in half the time of decord.
media = dict(backend='pyav')
extractors = dict(visual=dict(type='VGG19Maps', num_segments=6, frames_per_segment=16))
