#!/usr/bin/env bash
# Joint learning without the coefficient; then single modalities, from scratch and fine-tuned from OGM-GE.
#
#   bash projects/inverse_balance/tools/inverse_joint.sh [--dry-run] [options of tools/train.py]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/rows.sh"
read_options "${BASH_SOURCE[0]}" "$@"
for method in ogmge normal mslr lfm; do
  train "iemf_ann_${method}_joint_1xb32-100e_kinetics_sounds"
done
for data in kinetics_sounds cremad; do
  for modality in audio visual; do
    train "iemf_ann_${modality}_scratch_1xb32-100e_$data"
    train "iemf_ann_${modality}_finetune-vanilla_1xb32-100e_$data" "iemf_ann_ogmge_1xb32-100e_$data"
    train "iemf_ann_${modality}_finetune-inverse_1xb32-100e_$data" "iemf_ann_ogmge_inverse_1xb32-100e_$data"
  done
done
