"""Training of ``uavm``: steps, whole runs, schedules, means over epochs, and the statistics of an epoch."""
from __future__ import annotations

import tempfile
import uuid
from pathlib import Path
from types import SimpleNamespace

import golden
import numpy as np
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from torch.utils.data import Dataset
from uavm_model import LOSSES, MODALITIES, build, filled, kind_of, samples_of

from avmm.models.encoders.convnext import SIZES
from avmm.registry import HOOKS, PARAM_SCHEDULERS, RUNNERS
from avmm.structures import AVDataSample
from projects.uavm.uavm import converter
from projects.uavm.uavm.evaluation import RunningMean, WeightMean, class_statistics, middle_points

Arrays = dict[str, np.ndarray]
EXTRACTOR_COLUMNS = ('AUC/joint', 'middle_precision/joint', 'middle_recall/joint', 'd_prime/joint', 'train_loss',
                     'val_loss/joint')
BETAS, DECAY = (0.95, 0.999), 5e-7


def adam(options: dict) -> dict:
    """The optimiser that the options name, else the published one."""
    return dict(type='OptimWrapper', zero_grad_set_to_none=options['zero_grad_set_to_none'], optimizer=dict(
        type='Adam', lr=options['lr'], betas=options.get('betas', BETAS),
        weight_decay=options.get('weight_decay', DECAY)))


def steps(meta: dict, inputs: Arrays, state: Arrays, dtype: str) -> dict:
    """Some updates, each on the modality that the options name."""
    options = meta['options']
    model = filled(options, state, dtype, loss=dict(type=LOSSES[options['loss']])).train()
    wrapper = build_optim_wrapper(model, adam(options))
    initial = {name: p.detach().clone() for name, p in model.state_dict().items()}
    losses, drift = [], []
    for i, letter in enumerate(options['modality_per_step']):
        kept = {a: m for a, m in MODALITIES.items() if letter in (a, '-')}
        batch = dict(inputs={m: torch.from_numpy(inputs[f'x_{a}.{i}']) for a, m in kept.items()},
                     data_samples=samples_of(inputs[f'labels.{i}']))
        losses.append(float(model.train_step(batch, wrapper)['loss'].detach()))
        moved = {name: p - initial[name] for name, p in model.state_dict().items()}
        moved = converter.to_official(moved, kind_of(options))
        drift.append([float(moved[name].norm()) for name in options['param_names']])
    return dict(losses=np.array(losses), drift=np.array(drift))


# Whole runs --------------------------------------------------------------------------------------------------------

class FixedBatches(Dataset):
    """The samples of batches that are given, one after the other."""

    metainfo: dict = {}

    def __init__(self, batches: list[dict], one_class: bool):
        self.items = [({name: x[i] for name, x in batch['inputs'].items()}, label)
                      for batch in batches for i, label in enumerate(batch['labels'])]
        self.one_class = one_class

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> dict:
        inputs, label = self.items[index]
        sample = AVDataSample().set_gt_score(torch.from_numpy(label))
        if set(np.unique(label)) <= {0, 1}:
            classes = np.flatnonzero(label).tolist()
            sample.set_gt_label(classes[0] if self.one_class and len(classes) == 1 else tuple(classes))
        return dict(inputs={name: torch.from_numpy(x) for name, x in inputs.items()}, data_samples=sample)


def batches_of(inputs: Arrays, split: str, names: dict[str, str]) -> list[dict]:
    """The batches of a split; ``names`` says what the official inputs are called here."""
    count = sum(name.startswith(f'{split}.labels.') for name in inputs)
    return [dict(inputs={ours: inputs[f'{split}.{name}.{i}'] for name, ours in names.items()},
                 labels=inputs[f'{split}.labels.{i}']) for i in range(count)]


def run(options: dict, inputs: Arrays, names: dict[str, str], state: dict, work_dir: str, **parts):
    """Train as the options say, and return the runner."""
    def loader(split: str) -> dict:
        data = batches_of(inputs, split, names)
        return dict(batch_size=len(data[0]['labels']), num_workers=0, sampler=dict(type='DefaultSampler',
                    shuffle=False), dataset=FixedBatches(data, options['loss'] == 'CE'))
    start, step, decay = options['lrscheduler']
    schedule = dict(type='MultiStepLR', milestones=list(range(start, 1000, step)), gamma=decay)
    if options.get('lr_adapt'):
        schedule = dict(type='ReduceOnPlateauLR', monitor=parts.pop('monitor'), rule='greater', factor=0.5,
                        patience=options['lr_patience'])
    cfg = Config(dict(
        default_scope='avmm', work_dir=work_dir, experiment_name=f'parity_{uuid.uuid4().hex[:8]}',
        log_level='ERROR', randomness=dict(seed=0), optim_wrapper=adam(options), param_scheduler=schedule,
        train_cfg=dict(type='EpochTrainLoop', max_epochs=options['epochs'], val_interval=1), val_cfg=dict(),
        default_hooks=dict(checkpoint=None), model=parts.pop('model'), custom_hooks=parts.pop('hooks'),
        val_evaluator=parts.pop('metric')))
    cfg = dict(cfg, train_dataloader=loader('train'), val_dataloader=loader('val'))
    runner = RUNNERS.get('AVRunner')(**cfg)
    runner.model.load_state_dict(state)
    runner.train()
    return runner


def loop(meta: dict, inputs: Arrays, state: Arrays, dtype: str) -> dict:
    """The training of the models on features."""
    options = meta['options']
    joint = options['model'] == 'full_att_trans'
    columns = None
    if joint:
        columns = [f'{v}/joint' for _ in range(3) for v in ('accuracy', 'mAP', 'AUC')] + ['lr']
    table = HOOKS.build(dict(type='ResultTableHook', **(dict(columns=columns) if columns else {})))
    hooks = [table]
    if not joint:
        hooks.append(HOOKS.build(dict(type='ModalityDrawHook', prob=options['a_tr_prob'],
                                      draws=options['modality_draws_below_prob_are_audio'])))
    model = build(options, loss=dict(type=LOSSES[options['loss']]))
    official = {f'module.{name}': torch.from_numpy(value) for name, value in state.items()}
    main = dict(acc=6, mAP=7)[options['metric']]
    with tempfile.TemporaryDirectory() as folder:
        run(options, inputs, {f'x_{a}': m for a, m in MODALITIES.items()},
            converter.from_official(official, kind_of(options)), folder, model=model, hooks=hooks,
            metric=dict(type='UAVMStatistics'), monitor=dict(acc='accuracy/joint', mAP='mAP/joint')[options['metric']])
        rows = np.loadtxt(Path(folder, 'result.csv'), delimiter=',', ndmin=2)
    return dict(result=rows, best_epoch=np.argmax(rows[:, main]) + 1)


def extractor_loop(meta: dict, inputs: Arrays, state: Arrays, dtype: str) -> dict:
    """The training of the audio extractor, with the mean of predictions and of weights."""
    options = meta['options']
    inputs = {name: value.swapaxes(1, 2)[:, None].copy() if '.x.' in name else value for name, value in inputs.items()}
    main = dict(CE='accuracy', BCE='mAP')[options['loss']]
    columns = [f'{main}/joint', *EXTRACTOR_COLUMNS, f'{main}/ensemble', 'AUC/ensemble', 'lr']
    loss = dict(type=LOSSES[options['loss']])
    hooks = [HOOKS.build(cfg) for cfg in (
        dict(type='ResultTableHook', columns=columns), dict(type='PredictionEnsembleHook', keep_all=True),
        dict(type='WeightAverageHook', start=options['wa'][0], end=options['wa'][1]))]
    if options['warmup']:
        hooks.append(HOOKS.build(dict(type='SteppedWarmupHook', batch_size=options['batch_size_argument'])))
    encoder = dict(type='ConvNeXtEncoder', size=SIZES[options['model_id']], in_channels=1, stochastic_depth_prob=0.0)
    model = dict(type='UAVMAudioExtractor', encoders=dict(audio=encoder), fusion=dict(type='ConcatFusion'),
                 num_classes=options['label_dim'], loss=loss)
    official = {f'module.{name}': torch.from_numpy(value) for name, value in state.items()}
    with tempfile.TemporaryDirectory() as folder:
        run(options, inputs, dict(x='audio'), converter.from_official(official, 'audio_extractor'), folder,
            model=model, hooks=hooks, metric=dict(type='UAVMStatistics', loss=loss, middle='whole', keep=True))
        return dict(result=np.loadtxt(Path(folder, 'result.csv'), delimiter=',', ndmin=2),
                    wa_result=np.loadtxt(Path(folder, 'wa_result.csv'), delimiter=','),
                    predictions=np.load(Path(folder, f'predictions/predictions_{options["epochs"]}.npy')))


# Pieces ------------------------------------------------------------------------------------------------------------

def schedules(meta: dict, *_) -> dict:
    """Learning rates of the schedules, by epoch and by step."""
    options, outputs = meta['options'], {}

    def optimizer():
        return torch.optim.Adam([torch.zeros(1, requires_grad=True)], lr=options['lr'])

    def scheduler(name: str, own, **settings):
        return PARAM_SCHEDULERS.build(dict(type=name, optimizer=own, **settings))

    milestones = list(range(options['start'], 1000, options['step']))
    own = optimizer()
    schedule, rates = scheduler('MultiStepLR', own, milestones=milestones, gamma=options['decay']), []
    for _ in range(options['epochs']):
        rates.append(own.param_groups[0]['lr'])
        own.step()
        schedule.step()
    outputs['multistep_lr_per_epoch'] = rates
    own = optimizer()
    schedule = scheduler('ReduceOnPlateauLR', own, monitor='mAP', rule='greater', factor=0.5,
                         patience=options['patience'])
    rates = []
    for value in options['metrics'][:options['epochs']]:
        rates.append(own.param_groups[0]['lr'])
        schedule.step()
        schedule.step(dict(mAP=value))
    outputs['plateau_lr_per_epoch'] = rates
    for batch in (120, 100, 144, 8):
        own = optimizer()
        schedule = scheduler('MultiStepLR', own, milestones=milestones, gamma=options['decay'])
        hook = HOOKS.build(dict(type='SteppedWarmupHook', batch_size=batch))
        runner = SimpleNamespace(optim_wrapper=own, iter=0)
        hook.before_train(runner)
        rates = []
        for _ in range(4):
            for _ in range(options['steps_per_epoch']):
                hook.before_train_iter(runner, 0)
                rates.append(own.param_groups[0]['lr'])
                own.step()
                runner.iter += 1
            schedule.step()
        outputs[f'warmup_lr_per_step_batch{batch}'] = rates
    return {name: np.array(value) for name, value in outputs.items()}


def statistics(meta: dict, inputs: Arrays, *_) -> dict:
    """Statistics of both modalities and of their mean."""
    options, targets, outputs, scores = meta['options'], inputs['targets'], {}, {}
    for name in ('a', 'v'):
        scores[name] = inputs[f'scores_{name}'] + np.float32(options[f'gain_{name}']) * targets
        if options['decimals'] is not None:
            scores[name] = np.round(scores[name], options['decimals'])
    scores['av'] = (scores['a'] + scores['v']) / 2
    for name, values in scores.items():
        found = class_statistics(values, targets)
        outputs.update({f'{key}_{name}': getattr(found, key)
                        for key in ('AP', 'AUC', 'mAP', 'mAUC', 'acc', 'dprime')})
        for curves, suffix in (('whole', ''), ('cut', '_sk024')):
            precision, recall = middle_points(values, targets, curves)
            outputs.update({f'middle_precision{suffix}_{name}': precision.mean(),
                            f'middle_recall{suffix}_{name}': recall.mean()})
    return outputs


def prediction_ensemble(meta: dict, inputs: Arrays, *_) -> dict:
    """The mean of predictions after each epoch, and its statistics."""
    options, mean, found = meta['options'], RunningMean(), []
    for epoch in range(1, options['E'] + 1):
        logits = inputs[f'logits.{epoch}'] + np.float32(options['gain']) * inputs['targets']
        mean.add(torch.from_numpy(logits).sigmoid().numpy())
        found.append(class_statistics(mean.value, inputs['targets']))
    return dict(cum=mean.value, cum_mAP=np.array([f.mAP for f in found]), cum_mAUC=np.array([f.mAUC for f in found]))


def weight_average(meta: dict, inputs: Arrays, *_) -> dict:
    """The mean of several states, and what the model with it says."""
    options, mean = meta['options'], WeightMean()
    for seed in range(meta['seed'], meta['seed'] + options['K']):
        state = golden.state_dict(meta['state'], seed)
        mean.add(converter.from_official({n: torch.from_numpy(v) for n, v in state.items()}, kind_of(options)))
    averaged = mean.mean()
    model = build(options).eval()
    model.load_state_dict(averaged)
    official = converter.to_official(averaged, kind_of(options))
    with torch.no_grad():
        logits = model(dict(audio=torch.from_numpy(inputs['x_a'])))
    return dict(norms=np.array([float(official[name].norm()) for name in options['names']]), logits=logits)


PARTS = {'train_': steps, 'loop_': loop, 'loop_extractor_': extractor_loop, 'schedules': schedules,
         'stats_': statistics, 'prediction_ensemble': prediction_ensemble, 'weight_average': weight_average}
