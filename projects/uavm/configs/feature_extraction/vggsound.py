# Features of VGGSound: ConvNeXt-Base on 990 frames of filter banks, and on three frames a second.
# Launch: python tools/feature_extraction/extract.py projects/uavm/configs/feature_extraction/vggsound.py \
#             videos.csv data/vggsound/vgg_feat/train.h5 --cfg-options extractors.audio.weights=audio_extractor.pth \
#             extractors.visual.weights=convnext_base.pth --workers 16
custom_imports = dict(imports=['projects.uavm.uavm'])
default_scope = 'avmm'

extractors = dict(
    audio=dict(type='UAVMAudioFeatures', size='base', target_length=990, mean=-5.081, std=4.4849, dtype='float32'),
    visual=dict(type='UAVMVisualFeatures', size='base', fps=3, short_side=224, dtype='float16'))
