# Features of AV-Digits, three a second, with the extractors that audio_extractor.py and visual_extractor.py train.
# Launch: python tools/feature_extraction/extract.py projects/uavm/configs/av_digits/features.py \
#             data/av_digits/uavm/clips data/av_digits/uavm/features.h5 \
#             --cfg-options extractors.audio.weights=work_dirs/audio_extractor/weight_average.pth \
#             extractors.visual.weights=work_dirs/visual_extractor/weight_average.pth
_base_ = '../_base_/av_digits_extractor.py'
custom_imports = dict(imports=['projects.uavm.uavm'])
default_scope = 'avmm'

extractors = dict(
    audio=dict(type='UAVMAudioFeatures', size=_base_.small_size, num_mel_bins=32, target_length=96, mean=-0.54,
               std=2.82, layer_scale=1.0),
    visual=dict(type='UAVMVisualFeatures', size=_base_.small_size, fps=3, short_side=32, layer_scale=1.0))
