"""A picture of how a run learns, renewed after each validation."""
from __future__ import annotations

import json
import math
from pathlib import Path

from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner

from avmm.registry import HOOKS
from avmm.utils import AVMMError


@HOOKS.register_module()
class LearningCurveHook(Hook):
    """Draw the accuracy, joint and of each modality, and the training loss into ``<work_dir>/learning_curves.png``.

    The points are kept in ``<work_dir>/learning_curves.json`` and in every checkpoint, so that the curves of a resumed
    run go on where they stopped. A point has the ``epoch`` and the ``iter`` of the validation, the mean training
    ``loss`` since the one before, and every value that the validation gave::

        {"points": [{"epoch": 1, "iter": 45, "loss": 2.1, "accuracy/joint": 31.8, "accuracy/audio": 19.4}]}

    Args:
        metric: Which values to draw: those whose names begin with ``<metric>/``, without top-k variants; all values
            if there are none.
        ylabel: What they measure.
        filename: Name of both files, without ending.
    """

    # After the runtime information, which logs the loss, and after the metrics are known.
    priority = 'LOW'

    def __init__(self, metric: str = 'accuracy', ylabel: str = 'accuracy (%)', filename: str = 'learning_curves'):
        self.metric = metric
        self.ylabel = ylabel
        self.filename = filename
        self.points: list[dict[str, float]] = []

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Take the points back when a run is resumed; weights that are only loaded bring none."""
        if runner._resume:
            self.points = [dict(point) for point in checkpoint.get('learning_curves', [])]

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Store the points."""
        checkpoint['learning_curves'] = [dict(point) for point in self.points]

    def before_train(self, runner: Runner) -> None:
        """Add what was measured after the checkpoint was written; the validation of its own epoch above all."""
        if runner.iter == 0:
            self.points = []
            return
        last = self.points[-1]['iter'] if self.points else 0
        self.points += [p for p in self._read(Path(runner.work_dir)) if last < p['iter'] <= runner.iter]

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Add a point and renew both files; outside training there is nothing to add to."""
        if not metrics or runner._train_loop is None or isinstance(runner._train_loop, dict):
            return
        # A resumed run validates again where the checkpoint was written before the validation.
        self.points = [p for p in self.points if p['iter'] < runner.iter]
        point = {'epoch': runner.epoch, 'iter': runner.iter}
        loss = self._mean_loss(runner)
        if loss is not None:
            point['loss'] = loss
        point.update({k: float(v) for k, v in metrics.items() if isinstance(v, (int, float)) and math.isfinite(v)})
        self.points.append(point)
        self._write(runner)

    def after_train(self, runner: Runner) -> None:
        """Say in one line what the last validation gave, and where the picture is."""
        last = self.points[-1] if self.points else {}
        values = {k.removeprefix(f'{self.metric}/'): v for k, v in last.items() if k.startswith(f'{self.metric}/')}
        if values:
            shown = ', '.join(f'{name} {value:.1f}' for name, value in values.items())
            runner.logger.info(f'{self.ylabel} after epoch {last["epoch"]}: {shown}; '
                               f'curves: {Path(runner.work_dir) / self.filename}.png')

    def _mean_loss(self, runner: Runner) -> float | None:
        """Mean of the loss since the last point, as far back as the log goes."""
        done = runner.iter - (self.points[-1]['iter'] if self.points else 0)
        if done <= 0 or 'train/loss' not in runner.message_hub.log_scalars:
            return None
        loss = float(runner.message_hub.get_scalar('train/loss').mean(done))
        return loss if math.isfinite(loss) else None

    def _read(self, folder: Path) -> list[dict]:
        """Points of the file, none if it is missing or is not one of ours."""
        try:
            points = json.loads((folder / f'{self.filename}.json').read_text(encoding='utf-8'))['points']
            return [dict(point) for point in points if isinstance(point['iter'], int)]
        except (OSError, ValueError, KeyError, TypeError):
            return []

    @master_only
    def _write(self, runner: Runner) -> None:
        from avmm.engine.checkpoint import write_atomically
        folder = Path(runner.work_dir)
        try:
            with write_atomically(folder / f'{self.filename}.json') as file:
                file.write(json.dumps({'points': self.points}, indent=1).encode())
            draw_learning_curves(self.points, folder / f'{self.filename}.png', self.metric, self.ylabel)
        except (OSError, AVMMError) as error:
            # A picture is not worth a run.
            runner.logger.warning(f'the learning curves are not up to date: {error}')


def draw_learning_curves(points: list[dict[str, float]], out_file: Path, metric: str = 'accuracy',
                         ylabel: str = 'accuracy (%)') -> None:
    """Draw the points of a :class:`LearningCurveHook`: the metric on the left, the training loss on the right.

    Args:
        points: As in ``learning_curves.json``.
        out_file: Picture to write.
        metric: Which values to draw; see the hook.
        ylabel: What they measure.
    """
    from avmm.visualization.plots import draw_curves
    from avmm.visualization.style import new_figure, save_figure
    by_epoch = len({point['epoch'] for point in points}) == len(points)
    place = 'epoch' if by_epoch else 'iter'
    names = sorted({name for point in points for name in point} - {'epoch', 'iter', 'loss'})
    chosen = [n for n in names if n.startswith(f'{metric}/') and '_top' not in n]
    # Joint first, so that its colour and its place in the legend are always the same.
    chosen = sorted(chosen or names, key=lambda n: (not n.endswith('/joint'), n))

    def curve(name: str) -> tuple[list[float], list[float]]:
        some = [point for point in points if name in point]
        return [point[place] for point in some], [point[name] for point in some]

    figure, axes = new_figure(1, 2, size=(4.8, 3.4))
    xlabel = 'epoch' if by_epoch else 'iteration'
    labels = {n: n.removeprefix(f'{metric}/') for n in chosen}
    draw_curves(axes[0][0], {labels[n]: curve(n) for n in chosen}, 'validation', xlabel,
                ylabel if any(n.startswith(f'{metric}/') for n in chosen) else '')
    draw_curves(axes[0][1], {'loss': curve('loss')}, 'training', xlabel, 'loss')
    save_figure(figure, out_file)
