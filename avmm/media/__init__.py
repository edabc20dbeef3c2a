from avmm.media.audio import NoSoundError, read_audio, read_video_audio
from avmm.media.check import check_file
from avmm.media.image import read_image, read_image_array
from avmm.media.packets import NoPictureError
from avmm.media.raw import read_bytes
from avmm.media.resampling import resample
from avmm.media.sound import read_sound
from avmm.media.video import BACKENDS, VideoFrames, open_video
from avmm.media.video_writing import write_video
from avmm.media.writing import replacing, sweep_scratch, write_jpg, write_wav

__all__ = [
    'BACKENDS', 'NoPictureError', 'NoSoundError', 'VideoFrames', 'check_file', 'open_video', 'read_audio',
    'read_bytes', 'read_image', 'read_image_array', 'read_sound', 'read_video_audio', 'replacing', 'resample',
    'sweep_scratch', 'write_jpg', 'write_video', 'write_wav'
]
