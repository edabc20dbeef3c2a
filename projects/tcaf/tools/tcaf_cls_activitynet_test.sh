#!/usr/bin/env bash
# Test TCAF on ActivityNet-GZSL with C3D and VGGish features. A checkpoint of stage 2 knows its calibration; for converted
# weights, name those of stage 1, which choose it on the validation split.
#
#   bash projects/tcaf/tools/tcaf_cls_activitynet_test.sh [--dry-run] CHECKPOINT [options of tools/test.py]
#   bash projects/tcaf/tools/tcaf_cls_activitynet_test.sh stage2.pth --cfg-options test_cfg.stage1=stage1.pth
#
# --dry-run, first, prints the command and does nothing.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../recipe.sh"
recipe test projects/tcaf/configs/tcaf_cls_activitynet.py "$@"
