# Features of AudioSet: 1000 frames of filter banks; sharded over GPUs and machines with --shard, torchrun or slurm.
# Launch: torchrun --standalone --nproc-per-node 8 tools/feature_extraction/extract.py \
#             projects/uavm/configs/feature_extraction/audioset.py clips.csv data/audioset/features/train_full.h5 \
#             --resume --cfg-options extractors.audio.weights=audio_extractor.pth
_base_ = './vggsound.py'

extractors = dict(audio=dict(target_length=1000, mean=-4.2677, std=4.5690))
