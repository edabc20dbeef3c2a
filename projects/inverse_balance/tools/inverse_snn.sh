#!/usr/bin/env bash
# The 24 rows of the table with the published "SNN" recipe of four time steps.
#
#   bash projects/inverse_balance/tools/inverse_snn.sh [--dry-run] [options of tools/train.py]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/rows.sh"
read_options "${BASH_SOURCE[0]}" "$@"
train_table snn
