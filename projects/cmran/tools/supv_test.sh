#!/usr/bin/env bash
# Test a CMRAN checkpoint with full supervision on the test split; official checkpoints go through tools/model_converters/convert.py.
#
#   bash projects/cmran/tools/supv_test.sh [--dry-run] CHECKPOINT [options of tools/test.py]
#   bash projects/cmran/tools/supv_test.sh work_dirs/cmran_supv_1xb32-200e_ave/epoch_200.pth --out predictions.npz
#
# --dry-run, first, prints the command and does nothing.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../recipe.sh"
recipe test projects/cmran/configs/cmran_supv_1xb32-200e_ave.py "$@"
