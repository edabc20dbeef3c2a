"""Cases of ``tcaf``: the methods that TCAF and AVCA are compared with."""
from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mmengine.optim import build_optim_wrapper
from tcaf_model import Arrays, Options, State, class_matrix, filled, gradient_norms, pairs
from torch import Tensor
from torch.nn import functional as F

KINDS = dict(devise='bilinear', ale='bilinear', sje='bilinear')


def config_of(method: str, options: Options) -> Options:
    """Config of a method with the official options, without dropout."""
    widths = dict(audio=options['input_size_audio'], visual=options['input_size_video'])
    net = dict(hidden_channels=options['embeddings_hidden_size'], dropout=0.0, norm=options['embedding_use_bn'])
    decoder = dict(hidden_channels=options['decoder_hidden_size'], dropout=0.0, norm=options['decoder_use_bn'])
    own = dict(
        cjme=dict(type='CJME', net=net),
        avgzslnet=dict(type='AVGZSLNet', net=net, decoder=decoder,
                       normalize_words=options['normalize_decoder_outputs']),
        apn=dict(type='APN', normalize=options['norm_inputs']),
        **{name: dict(type='BilinearCompatibility', ranking=name, dropout=0.0, normalize=options['norm_inputs'])
           for name in KINDS})
    return dict(own[method], in_channels=widths)


def details(method: str, model, inputs: dict[str, Any], words: Tensor) -> dict[str, Tensor]:
    """What the case shows of a forward pass in evaluation mode."""
    feats = model.extract_feat(inputs)
    if method in KINDS:
        return dict(logits=model.fuse(feats), projected=model.embed(inputs)['both'][:, ::7])
    if method == 'apn':
        final, layer4 = model.attributes(feats)
        return dict(prob=(final @ words.t()).softmax(-1), attr_final=final[:, ::7], attr_layer4=layer4[:, ::7],
                    prob_layer4=(layer4 @ words.t()).softmax(-1))
    found = dict(audio=feats['audio'], video=feats['visual'], text=model.project_words(inputs['word']))
    if method == 'avgzslnet':
        return dict(found, rec_audio=model.decode(found['audio'])[:, ::7],
                    rec_text=model.decode(found['text'])[:, ::7])
    attention = model.attend(inputs)
    return dict(found, attention=attention, threshold=(attention >= 0.5).to(attention.dtype),
                class_emb=model.project_words(words))


def first_labels(meta: dict[str, Any], inputs: Arrays) -> Arrays:
    """Inputs with the labels of the pass in evaluation mode: the first of the stream that the stored ones go on with.

    A case whose stored labels are no such continuation has none of its own for this pass.
    """
    count, size = meta['options']['classes'], inputs['labels'].shape[1]
    stream = np.random.RandomState(meta['seed'])
    (labels, others), (next_labels, _) = (
        (own, (own + stream.randint(1, count, size)) % count)
        for own in (stream.randint(0, count, size) for _ in range(2)))
    if not np.array_equal(next_labels, inputs['labels'][0]):
        return inputs
    return dict(inputs, labels=labels[None], neg_labels=others[None])


def trained(meta: dict[str, Any], inputs: Arrays, state: State, dtype: torch.dtype) -> dict[str, Any]:
    """A forward pass, the loss in evaluation mode, and the steps of a training."""
    options, words = meta['options'], class_matrix(inputs, dtype)
    method = options['method']
    kind = KINDS.get(method, method)
    model = filled(kind, config_of(method, options['args']), state, dtype)
    model.set_classes(words, range(len(words)))
    batches = [pairs(inputs, words, step) for step in range(len(inputs['labels']))]
    shown = pairs(first_labels(meta, inputs), words, 0)
    with torch.no_grad():
        found = details(method, model, shown['inputs'], words)
        found['loss_eval'] = model.parse_losses(model(**shown, mode='loss'))[0]
    model.train()
    wrapper = build_optim_wrapper(model, dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-3)))
    losses = []
    for step, batch in enumerate(batches):
        total, _ = model.parse_losses(model(**batch, mode='loss'))
        total.backward()
        if step == 0:
            found['grad_norms'] = gradient_norms(kind, model, options['grad_names'])
        wrapper.step()
        wrapper.zero_grad()
        losses.append(total.detach())
    return dict(found, loss=torch.stack(losses))


def gradients_of(module, total: Tensor) -> Tensor:
    """Norms of the gradients of a module's parameters in the order of its state."""
    return torch.stack([g.norm() for g in torch.autograd.grad(total, list(module.parameters()), retain_graph=True)])


def fvaegan(meta: dict[str, Any], inputs: Arrays, state: State, dtype: torch.dtype) -> dict[str, Any]:
    """Networks and losses with given noise."""
    options = meta['options']
    x, word, z, eps, alpha = (torch.from_numpy(inputs[name]).to(dtype) for name in ('x', 'w', 'z', 'eps', 'alpha'))
    x, word = F.normalize(x), F.normalize(word)
    widths = dict(audio=x.shape[1] // 2, visual=x.shape[1] - x.shape[1] // 2)
    config = dict(type='FVAEGAN', in_channels=widths, gan_weight=options['gan_weight'],
                  vae_weight=options['vae_weight'], penalty=options['lambda1'])
    model = filled('fvaegan', config, state, dtype)
    mean, log_var = model.encoder(x, word)
    recon, fake = model.generator(model.sample(mean, log_var, eps), word), model.generator(z, word)
    bce, divergence = model.vae_terms(x, recon, mean, log_var)
    critics = model.critic_losses(x, word, z, alpha)
    generator = sum(model.generator_losses(x, word, z, eps).values())
    return dict(mean=mean[:, ::5], log_var=log_var[:, ::5], recon=recon[:, ::17], fake=fake[:, ::17], bce=bce,
                kld=divergence, critic=critics['loss_critic'], critic2=critics['loss_free_critic'],
                gp=critics['loss_penalty'], gp2=critics['loss_free_penalty'], gen_loss=generator,
                grad_D=gradients_of(model.critic, critics['loss_critic'] + critics['loss_penalty']),
                grad_G=gradients_of(model.generator, generator), grad_E=gradients_of(model.encoder, generator))


PARTS = dict(cjme_=trained, avgzslnet_=trained, devise_=trained, ale_=trained, sje_=trained, apn_=trained,
             fvaegan=fvaegan)
