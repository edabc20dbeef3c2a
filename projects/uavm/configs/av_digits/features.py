# Features of AV-Digits, with the extractor that audio_extractor.py trains and random weights for the frames.
# Launch: python tools/feature_extraction/extract.py projects/uavm/configs/av_digits/features.py \
#             data/av_digits/uavm/clips data/av_digits/uavm/features.h5 \
#             --cfg-options extractors.audio.weights=work_dirs/audio_extractor/weight_average.pth
custom_imports = dict(imports=['projects.uavm.uavm'])
default_scope = 'avmm'

extractors = dict(
    audio=dict(type='UAVMAudioFeatures', size='tiny', num_mel_bins=32, target_length=96, mean=-8.0, std=4.0,
               layer_scale=1.0),
    visual=dict(type='UAVMVisualFeatures', size='tiny', fps=3, short_side=32, layer_scale=1.0))
