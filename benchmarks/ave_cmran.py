"""Plain reference of CMRAN on AVE (Xu et al., ACM MM 2020): the model, the data path and the training script.

The way a research script does it: every item reads its row of each h5 file, in float64 as it is stored; the model has
float64 weights too; time goes first after the spatial attention and is turned round where a layer wants it otherwise;
``torch.nn.MultiheadAttention`` computes its averaged weights although nobody reads them; every step logs, and computes
the accuracy of its batch; after every epoch the test split is evaluated in batches of 16. Names of the weights are
those of the released checkpoints, weights that are never used included. Nothing is shared with ``avmm``.
"""
from __future__ import annotations

import copy
import functools
import itertools
import logging
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

CLASSES, BACKGROUND, TEST_BATCH = 28, 28, 16
#: Learning rate, epochs after which it halves, limit of the norm of the gradient, heads of the last attention.
RECIPES = {'supervised': (5e-4, (10, 20, 30), 0.1, 4), 'weak': (5e-4, (5, 20, 40), 0.5, 2)}
log = logging.getLogger('plain CMRAN')


class PlainAVE(Dataset):
    """Items ``(visual (S, h, w, 512), audio (S, 128), label)``, each read from the h5 files when it is asked for.

    Args:
        data_root: Folder of the official files.
        split: ``'train'``, ``'val'`` or ``'test'``.
        setting: ``'supervised'``: the label is one-hot a second (S, 29). ``'weak'``: in training it is the class of
            the video (29,), and the background videos follow the others.
    """

    def __init__(self, data_root: str, split: str = 'train', setting: str = 'supervised'):
        self.root, self.weak = Path(data_root), setting == 'weak' and split == 'train'
        self.files: dict[str, h5py.Dataset] = {}
        with h5py.File(self.root / f'{split}_order.h5') as file:
            self.order = file['order'][()]
        self.background = 0
        if self.weak:
            with h5py.File(self.root / 'labels_noisy.h5') as file:
                self.background = len(file['avadataset'])

    def __len__(self) -> int:
        return len(self.order) + self.background

    def _read(self, name: str, row: int) -> np.ndarray:
        if name not in self.files:
            self.files[name] = h5py.File(self.root / f'{name}.h5')['avadataset']
        return self.files[name][row]

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        noisy = index >= len(self.order)
        row, suffix = (index - len(self.order), '_noisy') if noisy else (self.order[index], '')
        label = 'labels_noisy' if noisy else 'mil_labels' if self.weak else 'labels'
        return (self._read(f'visual_feature{suffix}', row), self._read(f'audio_feature{suffix}', row),
                self._read(label, row))


def build_loader(data_root: str, split: str = 'train', setting: str = 'supervised', batch_size: int = 32,
                 num_workers: int = 0) -> DataLoader:
    """A loader as a plain script writes it; training shuffles and keeps the last, smaller batch."""
    return DataLoader(PlainAVE(data_root, split, setting), batch_size, shuffle=split == 'train',
                      num_workers=num_workers, pin_memory=torch.cuda.is_available())


class SpatialChannelAttention(nn.Module):
    """Audio-guided attention over channels, then over cells (section 3.2 of the paper)."""

    def __init__(self):
        super().__init__()
        self.affine_video_1, self.affine_audio_1 = nn.Linear(512, 512), nn.Linear(128, 512)
        self.affine_bottleneck, self.affine_v_c_att = nn.Linear(512, 256), nn.Linear(256, 512)
        self.affine_video_2, self.affine_audio_2 = nn.Linear(512, 256), nn.Linear(128, 256)
        self.affine_v_s_att = nn.Linear(256, 1)
        self.affine_video_guided_1, self.affine_video_guided_2 = nn.Linear(512, 64), nn.Linear(64, 128)  # not used

    def forward(self, visual: Tensor, audio: Tensor) -> Tensor:
        """``(B, S, h, w, 512)`` and time-first audio ``(S, B, 128)`` to ``(B, S, 512)``."""
        audio = audio.transpose(1, 0)
        b, t, h, w, d = visual.shape
        sound = audio.reshape(b * t, -1)
        cells = visual.reshape(b * t, h * w, d)
        query = F.relu(self.affine_audio_1(sound)).unsqueeze(-2)
        keys = F.relu(self.affine_video_1(visual)).reshape(b * t, h * w, -1)
        pooled = F.relu(self.affine_bottleneck((query * keys).mean(-2)))
        channels = torch.sigmoid(self.affine_v_c_att(pooled)).reshape(b * t, 1, d)
        cells = cells * (channels + 1)
        shown = F.relu(self.affine_video_2(cells)) * F.relu(self.affine_audio_2(sound)).unsqueeze(-2)
        weights = F.softmax(torch.tanh(self.affine_v_s_att(shown)).transpose(2, 1), -1)
        return torch.bmm(weights, cells).squeeze(1).reshape(b, t, d)


class Layer(nn.Module):
    """A post-norm transformer layer: of an encoder, or of a decoder, which attends to something else."""

    def __init__(self, decoder: bool = False, width: int = 256, hidden: int = 2048, heads: int = 4):
        super().__init__()
        self.self_attn = nn.MultiheadAttention(width, heads, dropout=0.1)  # of a decoder: not used
        if decoder:
            self.multihead_attn = nn.MultiheadAttention(width, heads, dropout=0.1)
        self.linear1, self.linear2 = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout, self.dropout1, self.dropout2 = nn.Dropout(0.1), nn.Dropout(0.1), nn.Dropout(0.1)

    def forward(self, x: Tensor, memory: Tensor | None = None) -> Tensor:
        """``(S, B, 256)`` to the same; ``memory (S', B, 256)`` for a decoder."""
        attended = self.self_attn(x, x, x)[0] if memory is None else self.multihead_attn(x, memory, memory)[0]
        x = self.norm1(x + self.dropout1(attended))
        hidden = self.linear2(self.dropout(F.relu(self.linear1(x))))
        return self.norm2(x + self.dropout2(hidden))


class Stack(nn.Module):
    """Copies of one layer."""

    def __init__(self, layer: nn.Module, count: int):
        super().__init__()
        self.layers = nn.ModuleList(copy.deepcopy(layer) for _ in range(count))


class Encoder(nn.Module):
    """Relations between the seconds of one modality."""

    def __init__(self, in_channels: int):
        super().__init__()
        self.affine_matrix, self.encoder_layer = nn.Linear(in_channels, 256), Layer()
        self.encoder = Stack(self.encoder_layer, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.affine_matrix(x)
        for layer in self.encoder.layers:
            x = layer(x)
        return x


class Decoder(nn.Module):
    """Relations of one modality to the other and to itself."""

    def __init__(self, in_channels: int):
        super().__init__()
        self.affine_matrix, self.decoder_layer = nn.Linear(in_channels, 256), Layer(decoder=True)
        self.decoder = Stack(self.decoder_layer, 1)

    def forward(self, query: Tensor, memory: Tensor) -> Tensor:
        x = self.affine_matrix(query)
        memory = torch.cat([memory, x], 0)
        for layer in self.decoder.layers:
            x = layer(x, memory)
        return x


class Interaction(nn.Module):
    """Attention of the product of both modalities to the two."""

    def __init__(self, heads: int):
        super().__init__()
        self.video_multihead = nn.MultiheadAttention(256, heads, dropout=0.1)
        self.norm1, self.dropout = nn.LayerNorm(256), nn.Dropout(0.1)

    def forward(self, video: Tensor, audio: Tensor) -> Tensor:
        memory, both = torch.cat([audio, video], 0), video * audio
        return self.norm1(both + self.dropout(self.video_multihead(both, memory, memory)[0]))


class Localize(nn.Module):
    """The last layers of either setting."""

    def __init__(self, weak: bool):
        super().__init__()
        self.weak = weak
        self.classifier, self.event_classifier = nn.Linear(256, 1), nn.Linear(256, CLASSES + weak)

    def forward(self, fused: Tensor) -> tuple[Tensor, ...]:
        """Supervised: ``(B, S)`` logits of an event and ``(B, 28)``; weak: ``(B, S)``, ``(B, 29)``, ``(B, 29)``."""
        if not self.weak:
            return self.classifier(fused).squeeze(-1).transpose(1, 0), self.event_classifier(fused.max(0)[0])
        fused = fused.transpose(1, 0)
        scores = self.classifier(fused)
        raw = self.event_classifier(fused.max(1)[0]).unsqueeze(1)
        pooled = (torch.sigmoid(scores) * raw).max(1)[0]
        return scores.squeeze(-1), raw.squeeze(1), F.softmax(pooled, -1)


class PlainCMRAN(nn.Module):
    """The network, for one setting."""

    def __init__(self, setting: str = 'supervised'):
        super().__init__()
        self.spatial_channel_att, self.v_fc = SpatialChannelAttention(), nn.Linear(512, 512)
        self.dropout = nn.Dropout(0.2)
        self.video_encoder, self.video_decoder = Encoder(512), Decoder(512)
        self.audio_encoder, self.audio_decoder = Encoder(128), Decoder(128)
        self.AVInter, self.localize_module = Interaction(RECIPES[setting][3]), Localize(setting == 'weak')

    def forward(self, visual: Tensor, audio: Tensor) -> tuple[Tensor, ...]:
        """``(B, S, h, w, 512)`` and ``(B, S, 128)`` to what :class:`Localize` gives."""
        audio = audio.transpose(1, 0).contiguous()
        visual = self.dropout(F.relu(self.v_fc(visual)))
        visual = self.spatial_channel_att(visual, audio).transpose(1, 0).contiguous()
        audio_query = self.audio_decoder(audio, self.video_encoder(visual))
        video_query = self.video_decoder(visual, self.audio_encoder(audio))
        return self.localize_module(self.AVInter(video_query, audio_query))


def loss_of(outputs: tuple[Tensor, ...], labels: Tensor) -> Tensor:
    """Supervised: an event or none in each second, and its class. Weak: soft margin on the probabilities."""
    if len(outputs) == 3:
        return nn.MultiLabelSoftMarginLoss()(outputs[2], labels)
    foreground = labels[:, :, :-1]
    is_event, _ = foreground.max(-1)
    classes, _ = foreground.max(-1)[1].max(-1)
    return nn.BCEWithLogitsLoss()(outputs[0], is_event) + nn.CrossEntropyLoss()(outputs[1], classes)


def accuracy_of(outputs: tuple[Tensor, ...], labels: Tensor) -> float:
    """Percent of the seconds with the right one of 29 labels."""
    targets = labels.max(-1)[1]
    is_event = outputs[0].sigmoid() > 0.5
    predicted = is_event.long() * outputs[1].max(-1)[1][:, None]
    predicted[~is_event] = BACKGROUND
    return 100 * (predicted == targets).sum().item() / targets.numel()


class Training:
    """One run of the script.

    Args:
        data_root: Folder of the official files.
        setting: ``'supervised'`` or ``'weak'``.
        dtype: ``'float64'``, as the script has it, or ``'float32'``.
        seed: Seed of the initial weights, of the order of the data and of dropout.
        batch_size: Of training.
        num_workers: Of each loader.
        device: Where the network is.
    """

    def __init__(self, data_root: str, setting: str = 'supervised', dtype: str = 'float64', seed: int = 0,
                 batch_size: int = 32, num_workers: int = 0, device: str = 'cpu'):
        torch.manual_seed(seed)
        self.setting, self.dtype, self.device = setting, getattr(torch, dtype), device
        rate, milestones, self.clip, _ = RECIPES[setting]
        self.loaders = {split: build_loader(data_root, split, setting, size, num_workers)
                        for split, size in (('train', batch_size), ('test', TEST_BATCH))}
        self.model = PlainCMRAN(setting).to(device)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=rate)
        self.scheduler = torch.optim.lr_scheduler.MultiStepLR(self.optimizer, list(milestones), gamma=0.5)

    def _ready(self, batch: list[Tensor]) -> list[Tensor]:
        return [part.to(self.device, self.dtype) for part in batch]

    def step(self, batch: list[Tensor]) -> float:
        """One update on a batch of the loader; returns its loss."""
        visual, audio, labels = self._ready(batch)
        outputs = self.model(visual, audio)
        loss = loss_of(outputs, labels)
        loss.backward()
        accuracy = accuracy_of(outputs, labels) if self.setting == 'supervised' else 0.0
        nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        log.debug('loss %.4f, accuracy %.2f', loss.item(), accuracy)
        return loss.item()

    def evaluate(self) -> float:
        """Accuracy on the test split, in percent."""
        self.model.eval().to(self.dtype)
        total = 0.0
        with torch.no_grad():
            for batch in self.loaders['test']:
                visual, audio, labels = self._ready(batch)
                outputs = self.model(visual, audio)
                if self.setting == 'supervised':
                    loss_of(outputs, labels).item()
                total += accuracy_of(outputs, labels) * len(labels)
        return total / len(self.loaders['test'].dataset)

    def epoch(self, max_batches: int | None = None) -> float:
        """Train on all batches, evaluate and turn the schedule; returns the accuracy in percent."""
        self.model.train().to(self.dtype)
        for batch in itertools.islice(self.loaders['train'], max_batches):
            self.step(batch)
        accuracy = self.evaluate()
        self.scheduler.step()
        return accuracy


def train(seed: int, epochs: int, data_root: str, report: Callable[[int, float], None] | None = None,
          **options) -> list[float]:
    """Test accuracy in percent after each epoch.

    Args:
        seed: As of :class:`Training`.
        epochs: How many.
        data_root: Folder of the official files.
        report: Called with the epoch and its accuracy.
        **options: Further arguments of :class:`Training`.
    """
    training = Training(data_root, seed=seed, **options)
    accuracies = []
    for epoch in range(epochs):
        accuracies.append(training.epoch())
        if report:
            report(epoch, accuracies[-1])
    return accuracies


def training_for(task) -> Training:
    """The run that does the work of a config; options of the task override what its data set says."""
    dataset = task.cfg.train_dataloader.dataset
    options = dict(dict(data_root=str(task.open_dataset().data_root), setting=dataset.get('setting', 'supervised'),
                        seed=task.seed, batch_size=task.batch_size, num_workers=task.num_workers,
                        device=task.device), **task.options)
    return Training(**options)


def step(task) -> tuple[Callable, int]:
    """A function that does one step on the first batch, and the samples of a step."""
    training = training_for(task)
    training.model.train().to(training.dtype)
    batch = next(iter(training.loaders['train']))
    return functools.partial(training.step, batch), len(batch[-1])


def epoch(task, max_batches: int | None = None) -> tuple[Callable, int]:
    """A function that trains for an epoch and evaluates, and the samples that it reads."""
    training = training_for(task)
    return functools.partial(training.epoch, max_batches), sum(len(x.dataset) for x in training.loaders.values())


#: What ``tools/analysis_tools/benchmark.py`` may ask for.
OFFERS = dict(data=lambda task: training_for(task).loaders[task.split], step=step, epoch=epoch)
