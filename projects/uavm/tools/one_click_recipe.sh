#!/usr/bin/env bash
# UAVM in one command, from data to a table and the figures.
#
#   bash projects/uavm/tools/one_click_recipe.sh [--dry-run] [--work-dir DIR]
#   bash projects/uavm/tools/one_click_recipe.sh --vggsound [--skip-download] [--dry-run] [--work-dir DIR]
#
# On AV-Digits, the default, which is made on the spot: the audio extractor is trained, features of both modalities are
# made, UAVM, the modality-independent model and cross-modality attention are trained on them, Figures 2 to 5 are drawn.
# Minutes on a laptop. --skip-download changes nothing here.
#
# On VGGSound: the published features are downloaded into data/vggsound (10 and 20 GB, from the address in
# UAVM_FEATURES_URL, which has vgg_feat/{audio,video}_feat_convnext_2.zip and datafile/{train,test}_vgg_convnext.json
# and datafile/class_labels_indices_vgg.csv); with --skip-download they are there. Paths are adapted, weights written,
# features packed, and UAVM is trained as in the first row of the paper.
#
# What is done already is not done again. --dry-run prints the commands. DIR is work_dirs/uavm_recipe by default.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
cd "$root"
what=av_digits download=1 dry=0 work=work_dirs/uavm_recipe
while [[ $# -gt 0 ]]; do
  case $1 in
    --vggsound) what=vggsound ;;
    --skip-download) download=0 ;;
    --dry-run) dry=1 ;;
    --work-dir) work=${2:?--work-dir needs a folder}; shift ;;
    -h|--help) sed -n '2,/^[^#]/{/^#/{s/^# \{0,1\}//;p;};}' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) echo "error: unknown option $1; --help tells them" >&2; exit 2 ;;
  esac
  shift
done
python=${PYTHON:-python}
data=${AVMM_DATA:-data}

step() {
  echo "== $1"
  shift
  if [[ $dry == 1 ]]; then echo "$@"; else "$@"; fi
}

# train NAME CONFIG: unless a run of that name has come to its end.
train() {
  if [[ -e $work/$1/.done ]]; then
    echo "== $1: trained before"
    return
  fi
  step "training $1" "$python" tools/train.py "$2" --work-dir "$work/$1" --resume
  if [[ $dry == 0 ]]; then touch "$work/$1/.done"; fi
}

figures() {
  local tools=projects/uavm/tools out=$work/figures
  step 'Figure 2' "$python" $tools/performance.py "$@" --versus shared_depth --out-dir "$out"
  step 'Figure 3' "$python" $tools/modality_probe.py "$work/uavm" "$work/independent" --out-dir "$out" --tsne \
    --tsne-every 1 --tsne-iterations 500
  step 'Figure 4' "$python" $tools/retrieval.py "$work/uavm" "$work/independent" --out-dir "$out"
  step 'Figure 5' "$python" $tools/attention_maps.py "$@" --clips 4 --out-dir "$out"
}

av_digits() {
  local configs=projects/uavm/configs/av_digits folder=$data/av_digits/uavm
  step 'data' "$python" projects/uavm/tools/av_digits_clips.py --out "$folder"
  train extractor $configs/audio_extractor.py
  if [[ -e $folder/features.h5 && ! $work/extractor/weight_average.pth -nt $folder/features.h5 ]]; then
    echo '== features: made before'
  else
    step 'features' "$python" tools/feature_extraction/extract.py $configs/features.py "$folder/clips" \
      "$folder/features.h5" --overwrite --workers 1 \
      --cfg-options "extractors.audio.weights=$work/extractor/weight_average.pth"
  fi
  train uavm $configs/uavm.py
  train independent $configs/uavm_independent.py
  train cross_modality $configs/cross_modality.py
  figures "$work/uavm" "$work/independent" "$work/cross_modality"
  step 'results' "$python" projects/uavm/tools/result_table.py "$work/uavm" "$work/independent" \
    "$work/cross_modality" --out "$work/results.md"
}

fetch() {
  local target=$data/vggsound/$1
  [[ -e $target ]] && return
  step "downloading $1" curl --fail --location --create-dirs --continue-at - --output "$target.part" \
    "$UAVM_FEATURES_URL/$1"
  step "$1" mv "$target.part" "$target"
}

vggsound() {
  local folder=$data/vggsound
  if [[ $download == 1 ]]; then
    if [[ -z ${UAVM_FEATURES_URL:-} ]]; then
      echo 'error: UAVM_FEATURES_URL is not set: name the address of the published features, or give --skip-download' >&2
      exit 2
    fi
    for name in datafile/{train,test}_vgg_convnext.json datafile/class_labels_indices_vgg.csv; do fetch $name; done
    for name in audio video; do
      fetch vgg_feat/${name}_feat_convnext_2.zip
      step "unpacking $name" unzip -n -q "$folder/vgg_feat/${name}_feat_convnext_2.zip" -d "$folder/vgg_feat"
    done
  fi
  step 'paths' "$python" projects/uavm/tools/adapt_paths.py "$folder/datafile" --features "$folder/vgg_feat" \
    --relative-to "$folder"
  step 'weights' "$python" projects/uavm/tools/make_weights.py --dataset vgg \
    --label_indices_path "$folder/datafile/class_labels_indices_vgg.csv" \
    --datafile_path "$folder/datafile/train_vgg_convnext.json"
  for split in train test; do
    step "packing $split" "$python" tools/dataset_converters/pack_features.py "$folder/vgg_feat/$split.h5" \
      --list "$folder/datafile/${split}_vgg_convnext.json" --data-root "$folder" --arrays audio=afeat visual=vfeat --norms
  done
  train uavm projects/uavm/configs/uavm_1xb144-10e_vggsound.py
  step 'results' "$python" projects/uavm/tools/result_table.py "$work/uavm" --out "$work/results.md"
  echo 'published: 65.8 % for audio and video'
}

$what
