#!/usr/bin/env bash
# Test a checkpoint of DIMN with full supervision on the test split; tools/model_converters/convert.py reads official ones.
#
#   bash projects/dmin/tools/dimn_supv_test.sh [--dry-run] CHECKPOINT [options of tools/test.py]
#   bash projects/dmin/tools/dimn_supv_test.sh work_dirs/dimn_supv_1xb32-200e_ave/epoch_200.pth --out predictions.npz
#
# --dry-run, first, prints the command and does nothing.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../recipe.sh"
recipe test projects/dmin/configs/dimn_supv_1xb32-200e_ave.py "$@"
