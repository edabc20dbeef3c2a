"""A map of the features of a model in two dimensions: t-SNE, UMAP or principal components."""
from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from avmm.utils.cli import run_cli, track
from avmm.utils.errors import ConfigError, optional_import
from avmm.utils.tooling import (
    add_config_args,
    add_device_args,
    build_loader,
    check_out,
    config_from,
    pick_device,
    tool_parser,
)

EXAMPLES = """
python tools/analysis_tools/embeddings.py configs/quickstart/av_digits.py work_dirs/av_digits/epoch_6.pth
python tools/analysis_tools/embeddings.py CONFIG CHECKPOINT --features joint audio --method umap --out maps.pdf
"""


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__, EXAMPLES)
    add_config_args(parser, 'optional')
    parser.add_argument('--split', default='test', help='split to read (default: test)')
    parser.add_argument('--number', type=int, default=1000, help='samples to draw at most (default: 1000)')
    parser.add_argument('--features', nargs='+', metavar='NAME',
                        help='joint (the standardised features of all modalities side by side) or names of modalities '
                        '(default: all of these)')
    parser.add_argument('--method', choices=['tsne', 'umap', 'pca'], default='tsne', help='default: tsne')
    parser.add_argument('--perplexity', type=float, default=30.0, help='of t-SNE (default: 30)')
    add_device_args(parser)
    parser.add_argument('--out', default='embeddings.png',
                        help='picture: png, pdf or svg; features and map go to a .npz of the same name '
                        '(default: embeddings.png)')
    args = parser.parse_args(argv)
    if args.number < 3:
        raise ConfigError(f'--number {args.number}: a map needs at least 3 samples')
    return args


def collect(model, loader, number: int) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Features ``{m: (N, D)}``, first labels ``(N,)`` and sample ids ``(N,)`` of the first ``number`` samples."""
    import torch
    feats: dict[str, list] = {m: [] for m in model.modalities}
    labels, ids = [], []
    with torch.no_grad():
        for batch in track(loader, 'encoding'):
            data = model.data_preprocessor(batch, False)
            for m, value in model.extract_feat(data['inputs']).items():
                feats[m].append(value.flatten(1).float().cpu().numpy())
            labels += [s.gt_label if isinstance(s.gt_label, int) else s.gt_label[0] for s in data['data_samples']]
            ids += [str(s.get('sample_id', len(ids))) for s in data['data_samples']]
            if len(labels) >= number:
                break
    return {m: np.concatenate(v)[:number] for m, v in feats.items()}, np.array(labels[:number]), np.array(ids[:number])


def standardised(x: np.ndarray) -> np.ndarray:
    """Mean 0 and standard deviation 1 in every dimension; constant dimensions become 0."""
    return (x - x.mean(0)) / np.maximum(x.std(0), 1e-8)


def project(x: np.ndarray, method: str, perplexity: float, seed: int) -> np.ndarray:
    """``(N, D)`` to ``(N, 2)``."""
    if method == 'umap':
        umap = optional_import('umap', 'umap')
        return umap.UMAP(random_state=seed).fit_transform(x)
    from sklearn.decomposition import PCA
    if method == 'pca':
        return PCA(2, random_state=seed).fit_transform(x)
    from sklearn.manifold import TSNE
    # 50 principal components keep the neighbourhoods and save most of the time.
    x = PCA(min(50, *x.shape), random_state=seed).fit_transform(x)
    return TSNE(2, perplexity=min(perplexity, (len(x) - 1) / 3), init='pca', random_state=seed).fit_transform(x)


def draw(maps: dict[str, np.ndarray], labels: np.ndarray, classes: list[str], method: str, out: Path) -> None:
    from avmm.visualization.plots import draw_embedding
    from avmm.visualization.style import new_figure, save_figure
    figure, axes = new_figure(1, len(maps), size=(4.5, 4.5))
    for i, (axis, (name, points)) in enumerate(zip(axes[0], maps.items(), strict=True)):
        # One legend is enough, and more than forty classes need none.
        legend = i == len(maps) - 1 and len(np.unique(labels)) <= 40
        draw_embedding(axis, points, labels, classes, f'{name} ({method})', legend=legend)
    save_figure(figure, out)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    out = check_out(args.out, ('.png', '.pdf', '.svg'))
    if args.method == 'umap':
        optional_import('umap', 'umap')
    device = pick_device(args.device)
    cfg = config_from(args, with_data=True)
    from avmm.apis import init_model
    model = init_model(cfg, args.checkpoint, device, args.seed, args.trust_checkpoint)
    from avmm.evaluation.metrics.prediction_dump import write_npz
    names = args.features or ['joint', *model.modalities]
    for name in names:
        if name != 'joint' and name not in model.modalities:
            raise ConfigError(f'--features {name}: must be joint or one of {", ".join(model.modalities)}')
    loader = build_loader(cfg, args.split, args.seed)
    feats, labels, ids = collect(model, loader, args.number)
    feats = {'joint': np.concatenate([standardised(x) for x in feats.values()], 1), **feats}
    maps = {}
    for name in track(names, f'{args.method} of {", ".join(names)}'):
        maps[name] = project(feats[name], args.method, args.perplexity, args.seed)
    info = getattr(loader.dataset, 'metainfo', {}) or {}
    classes = list(info.get('classes') or map(str, range(int(labels.max()) + 1)))
    draw(maps, labels, classes, args.method, out)
    arrays = {f'features_{n}': feats[n] for n in names} | {f'map_{n}': maps[n] for n in names}
    write_npz(out.with_suffix('.npz'), dict(arrays, label=labels, sample_id=ids))
    print(f'{len(labels)} samples: {out}, {out.with_suffix(".npz")}')


if __name__ == '__main__':
    run_cli(main)
