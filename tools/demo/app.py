"""A page to try models: drop a video, see what each of them makes of its sound and its pictures."""
from __future__ import annotations

import argparse
import functools
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from avmm.utils.cli import one_line, run_cli
from avmm.utils.errors import AVMMError, ConfigError, optional_import
from avmm.utils.tooling import tool_parser

if TYPE_CHECKING:
    from avmm.apis import Answer, AVInferencer

EXAMPLES = """
python tools/demo/app.py                                          # the models that were trained under work_dirs
python tools/demo/app.py --model av_digits work_dirs/av_digits/epoch_8.pth
python tools/demo/app.py --model CONFIG CHECKPOINT --extractors CONFIG --port 8000 --max-upload 500
python tools/demo/sample_videos.py --out sample_videos            # something to drop
"""
QUICKSTART = 'python tools/train.py configs/quickstart/av_digits.py'
LOCAL = ('127.0.0.1', 'localhost', '::1')
#: A page that loads nothing from anywhere else, whatever a component would like to.
POLICY = ("default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; connect-src 'self' data: blob:; "
          "frame-ancestors 'self'")
#: The player's scissors would load a decoder from elsewhere.
NO_TRIMMING = '#video button[aria-label^="Trim"] { display: none; }'
#: Seconds between two looks for old uploads, and their age.
CLEANING = (60, 900)


@dataclass(frozen=True)
class Choice:
    """A model to choose on the page: its name, config and checkpoint."""
    name: str
    config: str
    checkpoint: str


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__, EXAMPLES)
    parser.add_argument('--model', nargs=2, action='append', default=[], metavar=('CONFIG', 'CHECKPOINT'),
                        help='a model to offer; may come several times')
    parser.add_argument('--work-dirs', default='work_dirs', metavar='DIR',
                        help='without --model: offer the models that were trained in here (default: work_dirs)')
    parser.add_argument('--extractors', metavar='CONFIG',
                        help='config whose extractors make the features that event localisers need')
    parser.add_argument('--host', default='127.0.0.1',
                        help='address to listen on; 0.0.0.0 lets everyone in who reaches this machine '
                        '(default: 127.0.0.1)')
    parser.add_argument('--port', type=int, default=7860, help='port to listen on (default: 7860)')
    parser.add_argument('--max-upload', type=float, default=100, metavar='MB',
                        help='largest file to take, in MB (default: 100)')
    parser.add_argument('--top', type=int, default=5, help='classes to show of each kind (default: 5)')
    parser.add_argument('--device', default=None, help='such as cpu or cuda:0 (default: a GPU if there is one)')
    args = parser.parse_args(argv)
    if args.max_upload <= 0 or args.top < 1:
        raise ConfigError(f'--max-upload {args.max_upload:g} and --top {args.top}: both must be above 0')
    return args


# Models ------------------------------------------------------------------------------------------------------------

def find_choices(args: argparse.Namespace) -> list[Choice]:
    """The models to offer.

    Raises:
        ConfigError: If there is none; it tells how to get one.
    """
    if args.model:
        return [Choice(f'{Path(config).stem} ({Path(weights).name})', config, weights)
                for config, weights in args.model]
    found = [choice for folder in sorted(Path(args.work_dirs).glob('*/')) if (choice := trained_in(folder))]
    if not found:
        raise ConfigError(f'{args.work_dirs}: no trained model in here; train the one of the quickstart, in minutes: '
                          f'{QUICKSTART}; or name one: --model CONFIG CHECKPOINT')
    return found


def trained_in(folder: Path) -> Choice | None:
    """The model of a work directory: its config, and its best checkpoint, else the newest."""
    configs = sorted(folder.glob('*.py'))
    weights = sorted(folder.glob('*.pth'), key=lambda path: path.stat().st_mtime)
    best = [path for path in weights if path.name.startswith('best_')]
    if not configs or not weights:
        return None
    chosen = (best or weights)[-1]
    return Choice(f'{folder.name} ({chosen.name})', str(configs[0]), str(chosen))


class Models:
    """The models of the page, each built when it is first chosen.

    Args:
        choices: What there is.
        args: The command line.
    """

    def __init__(self, choices: list[Choice], args: argparse.Namespace):
        self.choices = {choice.name: choice for choice in choices}
        self.device, self.extractors = args.device, args.extractors
        # Two of the large ones fit into memory; the last ones chosen stay.
        self.get = functools.lru_cache(maxsize=2)(self._build)

    def _build(self, name: str) -> AVInferencer:
        from avmm.apis import find_config, inferencer_class, init_inferencer
        from avmm.apis.localization import AVEventLocalizationInferencer
        choice = self.choices[name]
        cfg = find_config(choice.config)
        more = {}
        if self.extractors and issubclass(inferencer_class(cfg), AVEventLocalizationInferencer):
            more['extractors'] = self.extractors
        return init_inferencer(cfg, choice.checkpoint, self.device, **more)


# The page ----------------------------------------------------------------------------------------------------------

def answer_parts(models: Models, top: int, name: str, path: str | None) -> tuple[str, str, str]:
    """What the page shows for a video: the answer or an error, the time line, the spectrogram; as HTML."""
    from avmm.visualization import html
    if not path:
        return '', '', ''
    try:
        inferencer = models.get(name)
        answer, = inferencer.answers(path, top=top)
        return _verdict(answer), _time_line(answer, inferencer), _spectrogram(answer, path)
    except (AVMMError, OSError) as error:
        # The folder of an upload says nothing to the user.
        return html.error_line(one_line(error).replace(path, os.path.basename(path))), '', ''


def _verdict(answer: Answer) -> str:
    from html import escape

    from avmm.visualization import html
    result = answer.result
    missing = result.get('missing')
    note = f'<p>The file has no {" and no ".join(missing)}: the scores are those of the rest.</p>' if missing else ''
    return (f'<h3 id="verdict">{escape(str(result["label"]))} <small>{result["score"]:.2f}</small></h3>{note}'
            f'{html.class_bars(result["top"])}')


def _time_line(answer: Answer, inferencer: AVInferencer) -> str:
    from avmm.visualization import html
    segments = answer.result.get('segments')
    return '' if segments is None else html.time_line(segments, len(inferencer.classes) - 1)


def _spectrogram(answer: Answer, path: str) -> str:
    """What the model hears if that is a spectrogram; else that of the sound track."""
    from avmm.visualization import html
    from avmm.visualization.plots import draw_spectrogram
    from avmm.visualization.style import new_figure
    heard = answer.inputs.get('audio')
    if heard is None or heard.dim() != 3 or heard.shape[0] != 1:
        heard = _sound_picture(path)
    if heard is None:
        return ''
    figure, axes = new_figure(size=(6.0, 2.2))
    draw_spectrogram(axes[0][0], heard, 'spectrogram')
    return html.picture(figure, 'spectrogram')


def _sound_picture(path: str):
    import torch

    from avmm.datasets.transforms import LogSpectrogram
    from avmm.media import NoSoundError, read_video_audio
    try:
        sound, _ = read_video_audio(path, 22050, mono=True)
    except NoSoundError:
        return None
    return LogSpectrogram()(dict(audio=torch.from_numpy(sound)))['audio']


def build_page(gradio, names: list[str], answer: Callable[[str, str | None], tuple[str, str, str]], limit: float):
    """The page: what is chosen and dropped on the left, the answer on the right.

    Args:
        gradio: The package.
        names: Names of the models.
        answer: Gives the three pieces of HTML for a model and a file.
        limit: Largest upload in MB, to tell the user.
    """
    with gradio.Blocks(title='AVMM', analytics_enabled=False, delete_cache=CLEANING) as page:
        gradio.Markdown('# AVMM\nDrop a video: what does the model see, and what does it hear?')
        with gradio.Row():
            with gradio.Column():
                model = gradio.Dropdown(names, value=names[0], label='model', elem_id='model')
                video = gradio.Video(sources=['upload'], label=f'video, up to {limit:g} MB', elem_id='video')
                line = gradio.HTML(elem_id='time-line')
            with gradio.Column():
                verdict = gradio.HTML(elem_id='answer')
                sound = gradio.HTML(elem_id='spectrogram')
        parts = [verdict, line, sound]
        # A change of the file is also its removal, which empties the rest.
        gradio.on([video.change, model.change], answer, [model, video], parts, api_visibility='private')
    return page.queue(default_concurrency_limit=1, max_size=32)


def import_gradio(folder: str):
    """The package, told to write into ``folder`` alone and to report nothing to anyone."""
    # It reads these when it is imported.
    tempfile.tempdir = folder
    os.environ.update(TMPDIR=folder, GRADIO_TEMP_DIR=folder, GRADIO_ANALYTICS_ENABLED='False', HF_HUB_OFFLINE='1',
                      HF_HUB_DISABLE_TELEMETRY='1')
    return optional_import('gradio', 'demo')


def serve(gradio, args: argparse.Namespace, models: Models) -> None:
    """Serve the page until the process is told to stop."""
    from avmm.visualization.html import STYLE
    page = build_page(gradio, list(models.choices), functools.partial(answer_parts, models, args.top),
                      args.max_upload)
    fonts = dict(font=['system-ui', 'sans-serif'], font_mono=['ui-monospace', 'monospace'])
    try:
        page.launch(server_name=args.host, server_port=args.port, max_file_size=int(args.max_upload * 2**20),
                    share=False, inbrowser=False, quiet=True, prevent_thread_lock=True, footer_links=[],
                    ssr_mode=False, theme=gradio.themes.Default(**fonts), css=STYLE + NO_TRIMMING,
                    enable_monitoring=False, app_kwargs=dict(middleware=[_policy()]))
    except OSError:
        raise ConfigError(f'--port {args.port}: is taken on {args.host}, or not allowed; try another one') from None
    print(f'http://{args.host}:{args.port} offers {", ".join(models.choices)}; Ctrl-C ends it', flush=True)
    if args.host not in LOCAL:
        print('whoever reaches this machine can use the page, without a password', file=sys.stderr)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
    page.close(verbose=False)


def _policy():
    """What adds :data:`POLICY` to every answer of the server."""
    from starlette.middleware import Middleware

    class Policy:
        def __init__(self, app):
            self.app = app

        async def __call__(self, scope, receive, send):
            async def send_with_policy(message):
                if message['type'] == 'http.response.start':
                    message['headers'] = [*message['headers'], (b'content-security-policy', POLICY.encode())]
                await send(message)

            await self.app(scope, receive, send_with_policy if scope['type'] == 'http' else send)

    return Middleware(Policy)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    choices = find_choices(args)
    # Told to stop while it starts, it leaves nothing behind either.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with tempfile.TemporaryDirectory(prefix='avmm_demo_') as folder:
        gradio = import_gradio(folder)
        models = Models(choices, args)
        # A checkpoint that cannot be read is told here, not to the first who drops a video.
        models.get(choices[0].name)
        serve(gradio, args, models)


if __name__ == '__main__':
    run_cli(main)
