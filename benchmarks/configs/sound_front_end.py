# The sound front end of VGGish: read a file, average its channels, resample to 16 kHz, log-mel patches.
extractors = dict(audio=dict(type='VGGish'))
