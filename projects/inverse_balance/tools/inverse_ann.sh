#!/usr/bin/env bash
# The 24 rows of the table with rectifying networks: 3 data sets, 4 methods, without and with inverse effectiveness.
#
#   bash projects/inverse_balance/tools/inverse_ann.sh [--dry-run] [options of tools/train.py]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/rows.sh"
read_options "${BASH_SOURCE[0]}" "$@"
train_table ann
