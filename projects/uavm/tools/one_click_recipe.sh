#!/usr/bin/env bash
# UAVM in one command, from data to a table and the figures.
#
#   bash projects/uavm/tools/one_click_recipe.sh [--dry-run] [--work-dir DIR]
#   bash projects/uavm/tools/one_click_recipe.sh --vggsound [--skip-download] [--dry-run] [--work-dir DIR]
#
# On AV-Digits, the default, which is made on the spot: an audio and a visual extractor are trained, features of both
# modalities are made, UAVM, the modality-independent model and cross-modality attention are trained on them and
# tested, Figures 2 to 5 are drawn. Minutes on a laptop; nothing is downloaded, with --skip-download or without.
#
# On VGGSound: the published features are downloaded into data/vggsound (10 and 20 GB, from the address in
# UAVM_FEATURES_URL, which has vgg_feat/{audio,video}_feat_convnext_2.zip and datafile/{train,test}_vgg_convnext.json
# and datafile/class_labels_indices_vgg.csv); with --skip-download they are there. Paths are adapted, weights written,
# features packed, and UAVM is trained as in the first row of the paper.
#
# Run it again to go on after an interruption: finished steps are skipped, a training goes on from its last epoch. Where
# a step has to be done again, so have those after it. --dry-run prints the commands that are left to do.
# DIR is work_dirs/uavm_recipe by default; PYTHON names the interpreter, AVMM_DATA the folder of data.
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
tools=projects/uavm/tools
number=0 total=0 again=0
if ! command -v "$python" > /dev/null; then
  echo "error: no interpreter $python; install AVMM first (README.md), or name one in PYTHON" >&2
  exit 2
fi
trap 'echo "interrupted; the same command goes on from here" >&2; exit 130' INT

count() {
  number=$((number + 1))
  echo "== [$number/$total] $1"
}

# step NAME COMMAND...: does a step, and says when it began.
step() {
  local name=$1 status=0
  shift
  count "$name, after $((SECONDS / 60)) min $((SECONDS % 60)) s"
  if [[ $dry == 1 ]]; then
    echo "$@"
    return
  fi
  "$@" || status=$?
  if [[ $status != 0 ]]; then
    echo "error: the step '$name' ended with status $status; the same command goes on from here" >&2
    exit "$status"
  fi
}

# once NAME FILE COMMAND...: a step that makes FILE. It is skipped if it was done here, unless one before it is done
# again now, or FILE is gone or was made anew by another run.
once() {
  local name=$1 made=$2 marker=$work/.done/${1// /_}
  shift 2
  if [[ $again == 0 && -e $marker && -e $made && ! $made -nt $marker ]]; then
    count "$name: done before"
    return
  fi
  again=1
  step "$name" "$@"
  if [[ $dry == 0 ]]; then
    mkdir -p "$work/.done"
    touch "$marker"
  fi
}

# train NAME CONFIG: goes on with a run that was interrupted; one whose data are new begins again.
train() {
  if [[ $again == 1 && $dry == 0 ]]; then rm -rf "${work:?}/$1"; fi
  once "train $1" "$work/$1/last_checkpoint" "$python" tools/train.py "$2" --work-dir "$work/$1" --resume
}

# evaluate NAME CONFIG CHECKPOINT: predictions for the clips of the test split.
evaluate() {
  once "test $1" "$work/$1/test.npz" "$python" tools/test.py "$2" "$3" --work-dir "$work/$1/test" \
    --out "$work/$1/test.npz"
}

av_digits() {
  local configs=projects/uavm/configs/av_digits folder=$data/av_digits/uavm out=$work/figures name
  local models=(uavm independent cross_modality)
  local runs=("${models[@]/#/$work/}") extractors=("$work/audio_extractor" "$work/visual_extractor")
  total=17
  once data "$folder/labels.csv" "$python" $tools/av_digits_clips.py --out "$folder"
  for name in audio visual; do
    train ${name}_extractor $configs/${name}_extractor.py
    evaluate ${name}_extractor $configs/${name}_extractor.py "$work/${name}_extractor/weight_average.pth"
  done
  once features "$folder/features.h5" "$python" tools/feature_extraction/extract.py $configs/features.py \
    "$folder/clips" "$folder/features.h5" --overwrite --workers 1 --cfg-options \
    "extractors.audio.weights=${extractors[0]}/weight_average.pth" \
    "extractors.visual.weights=${extractors[1]}/weight_average.pth"
  for name in "${models[@]}"; do
    train $name $configs/$name.py
    # The epoch that was best on the clips held out of training.
    evaluate $name $configs/$name.py "$(echo "$work/$name"/best_*.pth)"
  done
  once 'Figure 2' "$out/figure_2_shared_depth.png" "$python" $tools/performance.py "${runs[@]}" --versus shared_depth \
    --out-dir "$out"
  once 'Figure 3' "$out/figure_3d.png" "$python" $tools/modality_probe.py "${runs[@]:0:2}" --out-dir "$out" \
    --tsne --tsne-every 2 --tsne-iterations 500
  once 'Figure 4' "$out/figure_4.png" "$python" $tools/retrieval.py "${runs[@]:0:2}" --out-dir "$out"
  once 'Figure 5' "$out/figure_5_difference.png" "$python" $tools/attention_maps.py "${runs[@]}" --clips 4 \
    --out-dir "$out"
  step results "$python" $tools/recipe_table.py "${runs[@]}" --audio "${extractors[0]}" --video "${extractors[1]}" \
    --out "$work/results.md"
  echo "figures: $out; the table: $work/results.md"
}

fetch() {
  local target=$data/vggsound/$1
  if [[ -e $target ]]; then
    count "download $1: there already"
    return
  fi
  step "download $1" curl --fail --location --create-dirs --continue-at - --output "$target.part" \
    "$UAVM_FEATURES_URL/$1"
  if [[ $dry == 0 ]]; then mv "$target.part" "$target"; fi
}

vggsound() {
  local folder=$data/vggsound name split
  total=6
  if [[ $download == 1 ]]; then
    if [[ -z ${UAVM_FEATURES_URL:-} ]]; then
      echo 'error: UAVM_FEATURES_URL is not set: name the address of the published features, or give --skip-download' >&2
      exit 2
    fi
    total=13
    for name in datafile/{train,test}_vgg_convnext.json datafile/class_labels_indices_vgg.csv; do fetch $name; done
    for name in audio video; do
      fetch vgg_feat/${name}_feat_convnext_2.zip
      once "unpack $name" "$folder/vgg_feat/${name}_feat_convnext_2" \
        unzip -n -q "$folder/vgg_feat/${name}_feat_convnext_2.zip" -d "$folder/vgg_feat"
    done
  fi
  once paths "$folder/datafile/train_vgg_convnext.json" "$python" $tools/adapt_paths.py "$folder/datafile" \
    --features "$folder/vgg_feat" --relative-to "$folder"
  once weights "$folder/datafile/train_vgg_convnext_weight.csv" "$python" $tools/make_weights.py --dataset vgg \
    --label_indices_path "$folder/datafile/class_labels_indices_vgg.csv" \
    --datafile_path "$folder/datafile/train_vgg_convnext.json"
  for split in train test; do
    once "pack $split" "$folder/vgg_feat/$split.h5" "$python" tools/dataset_converters/pack_features.py \
      "$folder/vgg_feat/$split.h5" --list "$folder/datafile/${split}_vgg_convnext.json" --data-root "$folder" \
      --arrays audio=afeat visual=vfeat --norms
  done
  train uavm projects/uavm/configs/uavm_1xb144-10e_vggsound.py
  step results "$python" $tools/result_table.py "$work/uavm" --out "$work/results.md"
  echo 'published: 65.8 % for audio and video'
}

$what
if [[ $dry == 0 ]]; then echo "done in $((SECONDS / 60)) min $((SECONDS % 60)) s"; fi
