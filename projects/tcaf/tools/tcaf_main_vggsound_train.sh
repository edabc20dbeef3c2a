#!/usr/bin/env bash
# Train TCAF on VGGSound-GZSL with SeLaVi features: stage 1, stage 2 and the test.
#
#   bash projects/tcaf/tools/tcaf_main_vggsound_train.sh [--dry-run] [options of tools/train.py]
#   bash projects/tcaf/tools/tcaf_main_vggsound_train.sh --cfg-options train_cfg.stage=1
#
# --dry-run, first, prints the command and does nothing.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../recipe.sh"
recipe train projects/tcaf/configs/tcaf_main_vggsound.py "$@"
