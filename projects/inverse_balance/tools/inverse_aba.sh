#!/usr/bin/env bash
# Sweep of gamma: OGM-GE with inverse effectiveness on Kinetics-Sounds.
#
#   bash projects/inverse_balance/tools/inverse_aba.sh [--dry-run] [options of tools/train.py]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/rows.sh"
read_options "${BASH_SOURCE[0]}" "$@"
for gamma in 0p1 0p5 1 2 3 5; do
  train "iemf_ann_ogmge_inverse_gamma${gamma}_1xb32-100e_kinetics_sounds"
done
