"""The audio extractor of UAVM as it is trained."""
from __future__ import annotations

from torch import Tensor

from avmm.models.classifiers import AVClassifier
from avmm.registry import MODELS
from avmm.structures import AVDataSample


@MODELS.register_module()
class UAVMAudioExtractor(AVClassifier):
    """A classifier of sounds whose predictions are sigmoid scores, whatever its loss.

    The published program ranks, averages and logs the sigmoid of the logits, for VGGSound too, which trains with a
    softmax. It is computed in float32; the logits are in the samples as ``pred_logits``.

    Takes the arguments of :class:`~avmm.models.classifiers.AVClassifier`, with one encoder.
    """

    def predict(self, feats: dict[str, Tensor], inputs: dict[str, Tensor],
                data_samples: list[AVDataSample]) -> list[AVDataSample]:
        """Add scores ``(C,)`` and logits ``(C,)`` to the samples."""
        logits = self.fuse(feats).float()
        for sample, score, own in zip(data_samples, logits.sigmoid(), logits, strict=True):
            sample.set_pred_score(score)
            sample.set_field(own, 'pred_logits', field_type='data')
        return data_samples

    def answers(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """``joint_scores`` ``(B, C)``, and the ``features`` ``(B, T', D)`` that other models are trained on."""
        modality, = self.modalities
        encoder = self.encoders[modality]
        maps = encoder.feature_maps(inputs[modality])
        scores = self.fuse({modality: encoder.pool(maps)}).float().sigmoid()
        return dict(joint_scores=scores, features=encoder.steps(maps))
