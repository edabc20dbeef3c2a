from avmm.media.audio import NoSoundError, read_audio, read_video_audio
from avmm.media.check import check_file
from avmm.media.image import read_image, read_image_array
from avmm.media.raw import read_bytes
from avmm.media.video import VideoFrames
from avmm.media.video_writing import write_video
from avmm.media.writing import replacing, sweep_scratch, write_jpg, write_wav

__all__ = [
    'NoSoundError', 'VideoFrames', 'check_file', 'read_audio', 'read_bytes', 'read_image', 'read_image_array',
    'read_video_audio', 'replacing', 'sweep_scratch', 'write_jpg', 'write_video', 'write_wav'
]
