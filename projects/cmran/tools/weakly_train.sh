#!/usr/bin/env bash
# Train CMRAN with weak supervision as published: 200 epochs, the best checkpoint chosen on the test split.
#
#   bash projects/cmran/tools/weakly_train.sh [--dry-run] [options of tools/train.py]
#   bash projects/cmran/tools/weakly_train.sh --cfg-options select_on=val
#
# --dry-run, first, prints the command and does nothing.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../recipe.sh"
recipe train projects/cmran/configs/cmran_weak_1xb32-200e_ave.py "$@"
