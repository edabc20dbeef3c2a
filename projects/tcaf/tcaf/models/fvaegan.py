"""f-VAEGAN-D2: features of unseen classes are made from their words."""
from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from torch import Tensor, nn
from torch.nn import functional as F

from avmm.models.base import Feats
from avmm.registry import MODELS
from avmm.structures import AVDataSample
from avmm.utils import ConfigError
from projects.tcaf.tcaf.models.base import GZSLModel


class FeatureEncoder(nn.Module):
    """Mean and logarithm of the variance of the latent code of a feature and its word."""

    def __init__(self, channels: int, word_channels: int, hidden_channels: int, latent_channels: int):
        super().__init__()
        self.hidden = nn.Linear(channels + word_channels, hidden_channels)
        self.mean = nn.Linear(hidden_channels, latent_channels)
        self.log_var = nn.Linear(hidden_channels, latent_channels)

    def forward(self, x: Tensor, word: Tensor) -> tuple[Tensor, Tensor]:
        """``(B, D)`` and ``(B, 300)`` to twice ``(B, latent)``."""
        hidden = self.hidden(torch.cat([x, word], 1)).relu()
        return self.mean(hidden), self.log_var(hidden)


class FeatureGenerator(nn.Module):
    """A feature, each value from 0 to 1, of a latent code and a word."""

    def __init__(self, channels: int, word_channels: int, hidden_channels: int, latent_channels: int):
        super().__init__()
        self.hidden = nn.Linear(latent_channels + word_channels, hidden_channels)
        self.out = nn.Linear(hidden_channels, channels)

    def forward(self, z: Tensor, word: Tensor) -> Tensor:
        """``(B, latent)`` and ``(B, 300)`` to ``(B, D)``."""
        return self.out(self.hidden(torch.cat([z, word], 1)).relu()).sigmoid()


class Critic(nn.Module):
    """How real a feature looks, with its word or without."""

    def __init__(self, channels: int, hidden_channels: int):
        super().__init__()
        self.hidden, self.out = nn.Linear(channels, hidden_channels), nn.Linear(hidden_channels, 1)
        for layer in (self.hidden, self.out):
            nn.init.normal_(layer.weight, 0, 0.02)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, D)`` to ``(B, 1)``."""
        return self.out(F.leaky_relu(self.hidden(x), 0.2))


@MODELS.register_module()
class FVAEGAN(GZSLModel):
    r"""A variational autoencoder and a Wasserstein GAN with one generator, and two critics.

    Of "f-VAEGAN-D2: A Feature Generating Framework for Any-Shot Learning" (CVPR 2019), on the joined features x of
    length 1. With generator G, encoder E, critics D of features and words and D' of features alone, real words w:

    .. math::
        L_D &= \sum_{D, D'} -D(x, w) + D(G(z, w), w) + 10 (|\nabla D(\hat x, w)|_2 - 1)^2 \\
        L_{G, E} &= 10^5 \big(-D(G(z_E, w), w) - D(G(z, w), w)\big) + BCE(G(z_E, w), x) + KL

    with sums over batch, features and codes in BCE and KL, and means over the batch elsewhere. Critics and generator
    are updated in turn within a step. In evaluation a softmax classifier answers, which :meth:`fit_classifier` trains
    on real features of seen and generated ones of unseen classes; ``gzsl_distances`` are its negative
    log-probabilities.

    What a modality says alone: the classifier on the features whose other part is zero.

    Args:
        in_channels: Width of the features, ``audio`` and ``visual``.
        word_channels: Width of word vectors.
        latent_channels: Width of the latent code.
        encoder_channels: Width of the hidden layer of the encoder.
        hidden_channels: Width of the hidden layers of generator and critics.
        gan_weight: Weight of the critics' judgement.
        vae_weight: Weight of reconstruction and divergence.
        penalty: Weight of the gradient penalties.
        critic_steps: Updates of the critics for one of the generator.
        seed: Seed of the generated features and of the classifier.
        **options: ``data_preprocessor``, ``init_cfg`` of :class:`GZSLModel`.

    Raises:
        ConfigError: If a modality is missing.
    """

    joint_step = False

    def __init__(self, in_channels: dict[str, int], word_channels: int = 300, latent_channels: int = 300,
                 encoder_channels: int = 300, hidden_channels: int = 512, gan_weight: float = 1e5,
                 vae_weight: float = 1.0, penalty: float = 10.0, critic_steps: int = 1, seed: int = 42, **options):
        super().__init__(**options)
        if set(in_channels) != set(self.modalities):
            raise ConfigError(f'FVAEGAN: in_channels has {", ".join(in_channels) or "nothing"}; it takes both audio '
                              'and visual')
        width = sum(in_channels.values())
        self.latent_channels, self.gan_weight, self.vae_weight = latent_channels, gan_weight, vae_weight
        self.penalty, self.critic_steps, self.seed = penalty, critic_steps, seed
        self.encoder = FeatureEncoder(width, word_channels, encoder_channels, latent_channels)
        self.generator = FeatureGenerator(width, word_channels, hidden_channels, latent_channels)
        self.critic = Critic(width + word_channels, hidden_channels)
        self.free_critic = Critic(width, hidden_channels)
        # No layer belongs to one modality alone.
        self.branches = nn.ModuleDict({m: nn.Identity() for m in self.modalities})
        self._classifier: tuple[Tensor, Tensor] | None = None

    def branch(self, modality: str) -> nn.Module:
        """Nothing: no parameter belongs to one modality alone."""
        return self.branches[modality]

    def extract_feat(self, inputs: dict[str, Tensor]) -> Feats:
        """The features ``{m: (B, D_m)}`` as parts of a vector of length 1."""
        feats = [self.branches[m](inputs[m]) for m in self.modalities]
        joined = F.normalize(torch.cat(feats, 1)).split([x.shape[1] for x in feats], 1)
        return dict(zip(self.modalities, joined, strict=True))

    def join(self, feats: Feats) -> Tensor:
        """``(B, D_a + D_v)``."""
        return torch.cat([feats[m] for m in self.modalities], 1)

    def embed_feats(self, feats: Feats) -> dict[str, Tensor]:
        """The joined features themselves."""
        return dict(both=self.join(feats))

    def embed_classes(self, words: Tensor) -> dict[str, Tensor]:
        """Features that are generated without noise ``(C, D)``."""
        return dict(both=self.generator(words.new_zeros(len(words), self.latent_channels), words))

    # Training ------------------------------------------------------------------------------------------------------

    def sample(self, mean: Tensor, log_var: Tensor, noise: Tensor) -> Tensor:
        """A latent code of that distribution ``(B, latent)``."""
        return noise * (0.5 * log_var).exp() + mean

    def vae_terms(self, x: Tensor, recon: Tensor, mean: Tensor, log_var: Tensor) -> tuple[Tensor, Tensor]:
        """Cross-entropy of the reconstruction, and divergence from the normal distribution; sums over the batch."""
        bce = F.binary_cross_entropy(recon + 1e-12, x, reduction='sum')
        return bce, -0.5 * (1 + log_var - mean.square() - log_var.exp()).sum()

    def judge(self, x: Tensor, word: Tensor) -> tuple[Tensor, Tensor]:
        """What both critics say, each a mean over the batch ``()``."""
        return self.critic(torch.cat([x, word], 1)).mean(), self.free_critic(x).mean()

    def gradient_penalties(self, real: Tensor, fake: Tensor, word: Tensor, alpha: Tensor) -> tuple[Tensor, Tensor]:
        """How far the slopes of both critics are from 1 between real and generated features, ``()`` each."""
        between = (alpha * real + (1 - alpha) * fake).requires_grad_()
        found = []
        for scores in (self.critic(torch.cat([between, word], 1)), self.free_critic(between)):
            slope, = torch.autograd.grad(scores.sum(), between, create_graph=True)
            found.append(self.penalty * (slope.norm(dim=1) - 1).square().mean())
        return tuple(found)

    def critic_losses(self, x: Tensor, word: Tensor, z: Tensor, alpha: Tensor) -> dict[str, Tensor]:
        """``loss_critic``, ``loss_free_critic`` and their penalties."""
        fake = self.generator(z, word).detach()
        real, made = self.judge(x, word), self.judge(fake, word)
        penalties = self.gradient_penalties(x, fake, word, alpha)
        return dict(loss_critic=made[0] - real[0], loss_free_critic=made[1] - real[1],
                    loss_penalty=penalties[0], loss_free_penalty=penalties[1])

    def generator_losses(self, x: Tensor, word: Tensor, z: Tensor, noise: Tensor) -> dict[str, Tensor]:
        """``loss_gan``, ``loss_bce`` and ``loss_kl``."""
        mean, log_var = self.encoder(x, word)
        recon, fake = self.generator(self.sample(mean, log_var, noise), word), self.generator(z, word)
        bce, divergence = self.vae_terms(x, recon, mean, log_var)
        judged = sum(self.judge(made, word)[0] for made in (recon, fake))
        return dict(loss_gan=-self.gan_weight * judged, loss_bce=self.vae_weight * bce,
                    loss_kl=self.vae_weight * divergence)

    def loss(self, inputs: dict[str, Tensor], data_samples: list[AVDataSample]) -> dict[str, Tensor]:
        """The losses of the generator and the encoder, with random codes."""
        feats, word = self.extract_feat(inputs), inputs['word']
        z, noise = (self._noise(word) for _ in range(2))
        losses = self.generator_losses(self.join(feats), word, z, noise)
        return self.finish_step(feats, None, self.class_rows(data_samples), losses, data_samples)

    def _noise(self, word: Tensor) -> Tensor:
        return torch.randn(len(word), self.latent_channels, device=word.device, dtype=word.dtype)

    def _update(self, data: dict, optim_wrapper: OptimWrapper) -> dict[str, Tensor]:
        """Critics, then generator and encoder."""
        if isinstance(optim_wrapper, AmpOptimWrapper) or getattr(optim_wrapper, '_accumulative_counts', 1) != 1:
            raise ConfigError('FVAEGAN updates its critics and its generator in turn; it runs without mixed precision '
                              'and without accumulation')
        data = self.data_preprocessor(data, training=True)
        x, word = self.join(self.extract_feat(data['inputs'])).detach(), data['inputs']['word']
        critics = [*self.critic.parameters(), *self.free_critic.parameters()]
        others = [*self.encoder.parameters(), *self.generator.parameters()]
        logs = {}
        for _ in range(self.critic_steps):
            alpha = torch.rand(len(x), 1, device=x.device, dtype=x.dtype)
            losses = self.critic_losses(x, word, self._noise(word), alpha)
            logs.update(self._step(losses, critics, optim_wrapper))
        losses = self.run_forward(data)
        logs.update(self._step(losses, others, optim_wrapper))
        return dict(logs, loss=sum(value for name, value in logs.items() if name.startswith('loss_')))

    def _step(self, losses: dict[str, Tensor], parameters: list[nn.Parameter],
              optim_wrapper: OptimWrapper) -> dict[str, Tensor]:
        """Update some of the parameters; the others have no gradient, so the optimiser leaves them alone."""
        total, log_vars = self.parse_losses(losses)
        self.check_finite(total, log_vars)
        optim_wrapper.zero_grad(set_to_none=True)
        total.backward(inputs=parameters)
        optim_wrapper.step()
        optim_wrapper.zero_grad(set_to_none=True)
        log_vars.pop('loss')
        return {name: value.detach() for name, value in log_vars.items()}

    # Evaluation ----------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def generate(self, words: Tensor, count: int, generator: torch.Generator | None = None) -> Tensor:
        """``count`` features of every word, ``(N * count, D)``, a word's features in a row."""
        words = words.repeat_interleave(count, 0)
        z = torch.randn(len(words), self.latent_channels, generator=generator, dtype=words.dtype).to(words.device)
        return self.generator(z, words)

    def fit_classifier(self, features: Tensor, labels: Sequence[int], unseen_ids: Sequence[int], count: int = 1000,
                       epochs: int = 30, lr: float = 1e-3,
                       judge: Callable[[], float] | None = None) -> None:
        """Train the softmax classifier that :meth:`predict` answers with.

        Args:
            features: Real features of seen classes ``(N, D)``.
            labels: Their classes ``(N,)``, numbers as :meth:`set_classes` knows them.
            unseen_ids: Classes to generate features for.
            count: Generated features of a class, and samples of a batch.
            epochs: Epochs.
            lr: Learning rate of Adam.
            judge: Called after every epoch; the weights of the last of its largest values stay. None keeps those of
                the last epoch.
        """
        words, like = self.words_of_classes, next(self.parameters())
        generator = torch.Generator().manual_seed(self.seed)
        rows = torch.tensor([self._row_of[int(i)] for i in unseen_ids], dtype=torch.int64)
        made = self.generate(words[rows.to(words.device)], count, generator)
        x = F.normalize(torch.cat([features.to(like), made]))
        y = torch.cat([torch.tensor([self._row_of[int(i)] for i in labels], dtype=torch.int64),
                       rows.repeat_interleave(count)]).to(like.device)
        weight = (0.02 * torch.randn(len(words), x.shape[1], generator=generator, dtype=x.dtype)).to(x.device)
        bias = torch.zeros(len(words), dtype=x.dtype, device=x.device)
        weight.requires_grad_(), bias.requires_grad_()
        adam, best = torch.optim.Adam([weight, bias], lr=lr, betas=(0.5, 0.999)), None
        for _ in range(epochs):
            order = torch.randperm(len(x), generator=generator).to(x.device)
            for part in order.split(count):
                with torch.enable_grad():
                    loss = F.cross_entropy(F.linear(x[part], weight, bias), y[part])
                adam.zero_grad()
                loss.backward()
                adam.step()
            self._classifier = weight.detach().clone(), bias.detach().clone()
            value = judge() if judge is not None else 0.0
            if best is None or value >= best[0]:
                best = value, self._classifier
        self._classifier = best[1]

    def classify(self, joined: Tensor) -> Tensor:
        """Log-probabilities of the classifier ``(B, C)`` for joined features ``(B, D)``.

        Raises:
            ConfigError: If it has not been trained for the classes.
        """
        if self._classifier is None or len(self._classifier[0]) != len(self.words_of_classes):
            raise ConfigError('FVAEGAN answers with a classifier of generated features; train it with '
                              'fit_classifier, or with GeneratedFeaturesHook in custom_hooks')
        return F.linear(joined, *self._classifier).log_softmax(-1)

    def fuse(self, feats: Feats) -> Tensor:
        """Log-probabilities of the classes ``(B, C)``; see :meth:`classify`."""
        return self.classify(self.join(feats))

    def unimodal_logits(self, feats: Feats) -> dict[str, Tensor]:
        """``{m: (B, C)}`` of the features whose other part is zero."""
        silent = {m: torch.zeros_like(x) for m, x in feats.items()}
        return {m: self.fuse({**silent, m: feats[m]}) for m in self.modalities}

    def distances(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Negative log-probabilities ``{'both': (B, C)}``."""
        return dict(both=-self.fuse(self.extract_feat(inputs)))
