#!/usr/bin/env bash
# Train DCMR from audio to visual as published: 200 epochs, the best checkpoint chosen on the test split.
#
#   bash projects/dmin/tools/dcmr_a2v_train.sh [--dry-run] [options of tools/train.py]
#   bash projects/dmin/tools/dcmr_a2v_train.sh --cfg-options select_on=val
#
# --dry-run, first, prints the command and does nothing.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../recipe.sh"
recipe train projects/dmin/configs/dcmr_a2v_1xb32-200e_ave.py "$@"
