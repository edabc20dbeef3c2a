"""Plain reference of DMIN on AVE (IEEE TMM 2022): localisation of events, in both modalities and across, its step.

The way a research script does it: all in float64; the pooled products and the LSTM of the spatial attention run
location by location; the dense attention of a decoder turns each query through all its channels; the matching step
walks through samples, segments and windows and asks each label for its value. Layers that it has in common with CMRAN
are those of ``ave_cmran``. Names of the weights are those of the released checkpoints, weights that are never used
included. Nothing is shared with ``avmm``.
"""
from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.ave_cmran import Encoder, Interaction, Layer, Stack

CLASSES = 28
#: Dropout of the decoder, limit of the norm of the gradient, heads of the last attention.
RECIPES = {'supervised': (0.02, 0.1, 4), 'weak': (0.1, 0.5, 2), 'a2v': (0.02, 0.1, 4), 'v2a': (0.06, 0.1, 4)}


class TripletAttention(nn.Module):
    """Audio-guided attention over channels, time and locations."""

    def __init__(self):
        super().__init__()
        self.affine_video_1, self.affine_audio_1 = nn.Linear(512, 512), nn.Linear(128, 512)
        self.affine_bottleneck, self.affine_v_c_att = nn.Linear(512, 256), nn.Linear(256, 512)
        self.affine_video_2, self.affine_audio_2 = nn.Linear(512, 1280), nn.Linear(128, 1280)
        self.affine_v_s_att = nn.Linear(256, 1)
        self.affine_video_guided_1, self.affine_video_guided_2 = nn.Linear(512, 64), nn.Linear(64, 128)  # not used
        self.Linear_visual, self.Linear_audio = nn.Linear(512, 256), nn.Linear(128, 256)
        self.lstm = nn.LSTM(512, 128, num_layers=2, bidirectional=True)

    def forward(self, visual: Tensor, audio: Tensor) -> Tensor:
        """``(B, T, h, w, 512)`` and time-first audio ``(T, B, 128)`` to ``(B, T, 512)``."""
        audio = audio.transpose(1, 0)
        b, t, h, w, d = visual.shape
        sound, cells = audio.reshape(b * t, -1), visual.reshape(b * t, h * w, d)
        query = F.relu(self.affine_audio_1(sound)).unsqueeze(-2)
        keys = F.relu(self.affine_video_1(visual)).reshape(b * t, h * w, -1)
        pooled = F.relu(self.affine_bottleneck((query * keys).mean(-2)))
        channels = torch.sigmoid(self.affine_v_c_att(pooled)).reshape(b * t, 1, d)
        cells = cells * (channels + 1)
        shown, heard = F.relu(self.affine_video_2(cells)), F.relu(self.affine_audio_2(sound))
        pooled = torch.stack([self.pool(cell, heard) for cell in shown.unbind(1)], 1)
        seen, sound = F.relu(self.Linear_visual(cells)), F.relu(self.Linear_audio(sound))
        moving = []
        for cell in seen.unbind(1):
            steps = torch.cat([cell + sound, sound], -1).reshape(b, t, -1).transpose(1, 0)
            moving.append(self.lstm(steps)[0].transpose(1, 0).reshape(b * t, -1))
        scores = torch.tanh(self.affine_v_s_att(torch.stack(moving, 1) + pooled)).transpose(2, 1)
        return torch.bmm(F.softmax(scores, -1), cells).squeeze(1).reshape(b, t, d)

    def pool(self, shown: Tensor, heard: Tensor) -> Tensor:
        """Factorised bilinear pooling of one location, ``(B T, 1280)`` to ``(B T, 256)``."""
        joint = F.dropout(shown * heard, 0.1, self.training)
        joint = joint.view(-1, 256, 5).sum(2)
        return F.normalize(torch.sqrt(F.relu(joint)) - torch.sqrt(F.relu(-joint)))


class DenseAttention(nn.MultiheadAttention):
    """Attention whose scores of the first half of the keys are means over all turns of the query's channels."""

    lam = 0.5

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Time-first ``(T, B, E)`` and ``(M, B, E)`` to ``(T, B, E)`` and the mean weights ``(B, T, M)``."""
        t, b, e = query.shape
        heads, d = self.num_heads, e // self.num_heads
        weights, biases = self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3)
        q, k, v = (F.linear(x, weights[i], biases[i]) for i, x in enumerate((query, key, value)))
        q, k, v = (x.contiguous().view(-1, b * heads, d).transpose(0, 1) for x in (q * d**-0.5, k, v))
        dense, usual = k.transpose(1, 2).chunk(2, dim=-1)
        rows = []
        for i in range(t):
            row = q[:, i:i + 1]
            turned = []
            for r in range(d):
                weight = self.lam if r == 0 else (1 - self.lam) / (d - 1)
                turned.append(weight * torch.bmm(torch.roll(row, -r, -1), dense))
            rows.append(torch.stack(turned).mean(0))
        scores = torch.cat([torch.cat(rows, 1), torch.bmm(q, usual)], -1)
        weights = F.dropout(F.softmax(scores, -1), self.dropout, self.training)
        out = torch.bmm(weights, v).transpose(0, 1).contiguous().view(t, b, e)
        return self.out_proj(out), weights.view(b, heads, t, -1).mean(1)


class Decoder(nn.Module):
    """Relations of one modality to the other and to itself, by dense attention."""

    def __init__(self, in_channels: int, dropout: float):
        super().__init__()
        self.affine_matrix, self.decoder_layer = nn.Linear(in_channels, 256), Layer(decoder=True)
        self.decoder_layer.multihead_attn = DenseAttention(256, 4, dropout=dropout)
        for part in (self.decoder_layer.dropout, self.decoder_layer.dropout1, self.decoder_layer.dropout2):
            part.p = dropout
        self.decoder = Stack(self.decoder_layer, 1)

    def forward(self, query: Tensor, memory: Tensor) -> Tensor:
        x = self.affine_matrix(query)
        memory = torch.cat([memory, x], 0)
        for layer in self.decoder.layers:
            x = layer(x, memory)
        return x


class Localize(nn.Module):
    """The last layers, with those that read the visual encoder alone."""

    def __init__(self, weak: bool):
        super().__init__()
        self.weak = weak
        self.classifier, self.event_classifier = nn.Linear(256, 1), nn.Linear(256, CLASSES + weak)
        self.event_self = nn.Linear(256, CLASSES + weak)
        if weak:
            self.classifier_self = nn.Linear(256, 1)

    def forward(self, fused: Tensor, seen: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of an event ``(B, T)`` and of the classes, or the probabilities of the videos ``(B, 29)`` twice."""
        if not self.weak:
            return (self.classifier(fused).squeeze(-1).transpose(1, 0), self.event_classifier(fused.max(0)[0]),
                    self.event_self(seen.max(0)[0]))
        pooled = []
        for x, event, classes in ((fused, self.classifier, self.event_classifier),
                                  (seen, self.classifier_self, self.event_self)):
            x = x.transpose(1, 0)
            raw = classes(x.max(1)[0]).unsqueeze(1)
            pooled.append(F.softmax((torch.sigmoid(event(x)) * raw).max(1)[0], -1))
        return self.classifier(fused).squeeze(-1).transpose(1, 0), pooled[0], pooled[1]


def match(query: Tensor, target: Tensor, labels: Tensor) -> Tensor:
    """Multiply every window of the target by the means of the query's segments, in place; time first."""
    steps, batch, _ = target.shape
    samples = []
    for i in range(batch):
        chosen = torch.cat([query[j, i].unsqueeze(0) for j in range(steps) if labels[i][j] == 1], 0)
        means, row = chosen.mean(-1, keepdim=True), target[:, i].clone()
        for k in range(steps - len(chosen) + 1):
            row[k:k + len(chosen)] = row[k:k + len(chosen)].clone() * means
        samples.append(row)
    return torch.stack(samples, 1)


class PlainDMIN(nn.Module):
    """The network of one task: ``'supervised'``, ``'weak'``, ``'a2v'`` or ``'v2a'``."""

    def __init__(self, task: str = 'supervised'):
        super().__init__()
        self.task, (dropout, _, heads) = task, RECIPES[task]
        self.spatial_channel_att, self.v_fc = TripletAttention(), nn.Linear(512, 512)
        self.dropout = nn.Dropout(0.2)
        self.video_encoder, self.video_decoder = Encoder(512), Decoder(512, dropout)
        self.audio_encoder, self.audio_decoder = Encoder(128), Decoder(128, dropout)
        self.AVInter, self.localize_module = Interaction(heads), Localize(task == 'weak')

    def forward(self, visual: Tensor, audio: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """``(B, T, h, w, 512)``, or ``(B, T, 512)`` where windows are searched, and ``(B, T, 128)``."""
        audio = audio.transpose(1, 0).contiguous()
        if visual.dim() == 5:
            visual = self.spatial_channel_att(self.dropout(F.relu(self.v_fc(visual))), audio)
        visual = visual.transpose(1, 0).contiguous()
        seen = self.video_encoder(visual)
        audio_query = self.audio_decoder(audio, seen)
        video_query = self.video_decoder(visual, self.audio_encoder(audio))
        if self.task == 'a2v':
            fused = match(audio_query, video_query, labels)
        elif self.task == 'v2a':
            fused = match(video_query, audio_query, labels)
        else:
            fused = self.AVInter(video_query, audio_query)
        return self.localize_module(fused, seen)


def loss_of(task: str, outputs: tuple[Tensor, Tensor, Tensor], labels: Tensor) -> Tensor:
    """The loss of a task; labels ``(B, T, 29)``, ``(B, 29)`` for weak supervision, ``(B, T)`` for windows."""
    if task == 'weak':
        margin = nn.MultiLabelSoftMarginLoss()
        return 0.92 * margin(outputs[1], labels) + 0.08 * margin(outputs[2], labels)
    if task in ('a2v', 'v2a'):
        return nn.BCEWithLogitsLoss()(outputs[0], labels)
    foreground = labels[:, :, :-1]
    is_event, _ = foreground.max(-1)
    classes, _ = foreground.max(-1)[1].max(-1)
    return (nn.BCEWithLogitsLoss()(outputs[0], is_event) + 0.9 * nn.CrossEntropyLoss()(outputs[1], classes)
            + 0.1 * nn.CrossEntropyLoss()(outputs[2], classes))


class Training:
    """Steps of a task's training.

    Args:
        task: ``'supervised'``, ``'weak'``, ``'a2v'`` or ``'v2a'``.
        dtype: ``'float64'``, as the script has it, or ``'float32'``.
        seed: Seed of the initial weights and of dropout.
        device: Where the network is.
    """

    def __init__(self, task: str = 'supervised', dtype: str = 'float64', seed: int = 0, device: str = 'cpu'):
        torch.manual_seed(seed)
        self.task, self.dtype, self.device = task, getattr(torch, dtype), device
        self.model = PlainDMIN(task).to(device, self.dtype).train()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=5e-4)

    def step(self, batch: list[Tensor]) -> float:
        """One update on ``[visual, audio, labels]``; returns its loss."""
        visual, audio, labels = (part.to(self.device, self.dtype) for part in batch)
        loss = loss_of(self.task, self.model(visual, audio, labels), labels)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), RECIPES[self.task][1])
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.item()
