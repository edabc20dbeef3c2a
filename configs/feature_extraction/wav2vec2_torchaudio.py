# A feature of 768 numbers for every second of sound, by wav2vec 2.0 of torchaudio; HuBERT and WavLM by their names.
# python tools/feature_extraction/extract.py configs/feature_extraction/wav2vec2_torchaudio.py VIDEOS features.h5
# docs/extraction.md says where the file of weights comes from.
extractors = dict(
    audio=dict(type='TorchaudioFeatures', name='wav2vec2_base', weights='data/weights/wav2vec2_fairseq_base_ls960.pth',
               window=1.0))
