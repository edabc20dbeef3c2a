# Features of AVE as its paper has them: VGG-19 maps of sixteen frames a second, averaged, and VGGish of every second.
# python tools/feature_extraction/extract.py configs/feature_extraction/ave_vgg19_vggish.py \
#     --ave data/ave/Annotations.txt --videos data/ave/AVE data/ave/features.h5
# docs/extraction.md says where the files of weights come from.
extractors = dict(
    audio=dict(type='VGGish', weights='data/weights/vggish-10086976.pth', num_patches=10),
    visual=dict(type='VGG19Maps', weights='data/weights/vgg19-dcbb9e9d.pth', num_segments=10, frames_per_segment=16))
