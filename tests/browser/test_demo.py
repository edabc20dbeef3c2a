"""The page of the demo in a real browser: drop a video, read the answer."""
from __future__ import annotations

import json
import re
import signal
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.integration]


class Page:
    """What a person does on the page, and what is to be read there."""

    def __init__(self, browser, url: str):
        self.browser = browser
        browser.get(url)
        self.wait('#video input[type=file]')

    def find(self, selector: str) -> list:
        return self.browser.find_elements('css selector', selector)

    def wait(self, selector: str, words: str = '', seconds: float = 60):
        """The first element that there is, once it has the words."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for element in self.find(selector):
                # Text that scrolled or faded away counts too.
                if words in (element.get_attribute('textContent') or ''):
                    return element
            time.sleep(0.1)
        raise AssertionError(f'no {selector} with {words!r}; the page says: '
                             f'{self.browser.find_element("tag name", "body").text!r}')

    def drop(self, path: Path) -> None:
        clear = self.find('#video button[aria-label="Clear"]')
        if clear:
            self.browser.execute_script('arguments[0].click()', clear[-1])
        self.wait('#video input[type=file]').send_keys(str(path))

    def choose(self, name: str) -> None:
        self.wait('#model input').click()
        option = self.wait('[role=option], .options li', name)
        # The list listens to the pointer, not to clicks.
        self.browser.execute_script(
            "arguments[0].dispatchEvent(new MouseEvent('mousedown', {bubbles: true}))", option)

    def requests(self) -> set[str]:
        """Addresses that the page has asked for since the last question."""
        events = (json.loads(entry['message'])['message'] for entry in self.browser.get_log('performance'))
        urls = {e['params']['request']['url'] for e in events if e['method'] == 'Network.requestWillBeSent'}
        return {url for url in urls if url.startswith(('http', 'ws'))}


@pytest.fixture
def page(browser, demo):
    return Page(browser, demo.url)


def test_a_video_is_answered(page, videos, demo):
    page.drop(videos['clip'])
    verdict = page.wait('#verdict')
    assert re.fullmatch(r'\d 0\.\d\d', verdict.text)
    for kind in ('joint', 'audio', 'visual'):
        bars = page.find(f'#answer [data-kind={kind}] .avmm-bar')
        assert len(bars) == 5 and re.fullmatch(r'\d\s+\d\.\d\d', bars[0].text)
    assert page.wait('#spectrogram img').size['width'] > 200
    player = page.wait('#video video')
    assert player.get_attribute('src').startswith(demo.url)
    assert not page.find('#time-line .avmm-track')
    assert demo.log.read_text().count('\n') == 1, demo.log.read_text()


def test_nothing_is_asked_of_anyone_else(page, videos, demo):
    page.drop(videos['clip'])
    page.wait('#verdict')
    asked = page.requests()
    assert any(url.startswith(demo.url) for url in asked)
    assert {url for url in asked if not url.startswith((demo.url, demo.url.replace('http', 'ws')))} == set()
    with urllib.request.urlopen(demo.url) as answer:
        assert "connect-src 'self'" in answer.headers['content-security-policy']


def test_a_broken_file_gives_its_reason(page, videos):
    page.drop(videos['broken'])
    error = page.wait('#answer [role=alert]')
    assert error.text == 'broken.mp4: not a readable video file'
    # The next one is answered all the same, and what was said before is gone.
    page.drop(videos['silent'])
    page.wait('#verdict')
    assert not page.find('#answer [role=alert]')
    assert 'The file has no audio' in page.wait('#answer').text and not page.find('#answer [data-kind=audio]')


def test_events_stand_under_the_player(page, videos):
    page.choose('events')
    page.drop(videos['clip'])
    page.wait('#time-line .avmm-track')
    tracks = page.find('#time-line .avmm-track')
    assert [track.get_attribute('data-kind') for track in tracks] == ['joint', 'audio', 'visual']
    titles = [box.get_attribute('title') for box in page.find('#time-line [data-kind=joint] div')]
    assert titles and re.search(r', 0 to \d s$', titles[0]) and titles[-1].endswith(' to 3 s')
    player, line = page.wait('#video'), page.wait('#time-line')
    assert line.location['y'] >= player.location['y'] + player.size['height'] and line.location['x'] < 600
    assert page.wait('#spectrogram img') and page.wait('#verdict')
    page.drop(videos['silent'])
    assert 'no sound track' in page.wait('#answer [role=alert]').text


def test_what_is_refused(page, videos, demo):
    page.drop(videos['large'])
    page.wait('[data-testid=toast-body]', 'exceed the maximum allowed size')
    # Whoever goes around the page is refused by the server.
    border = 'border'
    body = (f'--{border}\r\nContent-Disposition: form-data; name="files"; filename="a.mp4"\r\n'
            'Content-Type: video/mp4\r\n\r\n').encode() + bytes(2 * 2**20) + f'\r\n--{border}--\r\n'.encode()
    request = urllib.request.Request(f'{demo.url}/gradio_api/upload', body,
                                     {'Content-Type': f'multipart/form-data; boundary={border}'})
    with pytest.raises(urllib.error.HTTPError, match='413'):
        urllib.request.urlopen(request)
    with pytest.raises(urllib.error.HTTPError, match='403'):
        urllib.request.urlopen(f'{demo.url}/gradio_api/file={demo.log}')
    assert all(path.stat().st_size < 2**20 for path in demo.folder.rglob('*') if path.is_file())


def test_only_this_machine_is_served_and_nothing_stays_behind(page, videos, demo):
    port = int(demo.url.rpartition(':')[2])
    address = socket.gethostbyname(socket.gethostname())
    if not address.startswith('127.'):
        with pytest.raises(OSError), socket.create_connection((address, port), timeout=5):
            pass
    page.drop(videos['clip'])
    page.wait('#verdict')
    assert list(demo.folder.rglob('clip.mp4'))
    demo.process.send_signal(signal.SIGTERM)
    assert demo.process.wait(60) == 0, demo.log.read_text()
    assert not list(demo.folder.iterdir())
