"""Errors of the command line are one line, and bugs keep their traceback."""
from __future__ import annotations

import pytest
import torch

from avmm.registry import MODELS
from avmm.utils import DataError, MissingDependencyError, optional_import
from avmm.utils.cli import run_cli, track


def fails_with(error):
    def main():
        raise error
    return main


@pytest.mark.parametrize(('error', 'line'), [
    (DataError('a.wav: empty file;\n  remove it'), 'error: a.wav: empty file; remove it'),
    (FileNotFoundError(2, 'No such file or directory', 'train.csv'), 'error: train.csv: No such file or directory'),
    (PermissionError(13, 'Permission denied', '/root/x'), 'error: /root/x: Permission denied'),
])
def test_user_errors_are_one_line(error, line, capsys):
    with pytest.raises(SystemExit) as exit_info:
        run_cli(fails_with(error))
    assert exit_info.value.code == 2
    assert capsys.readouterr().err.strip() == line


def test_an_unknown_component_is_a_user_error(capsys):
    with pytest.raises(SystemExit):
        run_cli(lambda: MODELS.build(dict(type='ConcatFusoin')))
    message = capsys.readouterr().err
    assert message.count('\n') == 1
    assert "'ConcatFusoin' is not in the avmm::model registry; did you mean ConcatFusion" in message


def test_an_error_of_a_data_worker_is_the_line_of_the_user(capsys):
    class Broken(torch.utils.data.Dataset):
        def __len__(self):
            return 1

        def __getitem__(self, index):
            raise self.error

    data = Broken()
    for error, line in ((DataError('a.wav: the file is empty'), 'a.wav: the file is empty'),
                        (PermissionError(13, 'Permission denied', 'b.wav'), "[Errno 13] Permission denied: 'b.wav'")):
        data.error = error
        with pytest.raises(SystemExit) as exit_info:
            run_cli(lambda: next(iter(torch.utils.data.DataLoader(data, num_workers=1))))
        assert (exit_info.value.code, capsys.readouterr().err) == (2, f'error: {line}\n')
    with pytest.raises(DataError) as caught:
        raise DataError('Caught DataError in DataLoader worker process 0.\nOriginal Traceback (most recent call):\n'
                        '  File "a.py", line 1\navmm.utils.errors.DataError: a.wav: the file is empty\n')
    assert str(caught.value) == 'a.wav: the file is empty' and 'a.py' in str(caught.value.__cause__)


def test_the_end_of_another_rank_is_one_line(capsys, monkeypatch):
    monkeypatch.setenv('RANK', '1')
    with pytest.raises(SystemExit) as exit_info:
        run_cli(fails_with(RuntimeError('[gloo/transport/tcp/pair.cc:547] Connection closed by peer [127.0.0.1]:1')))
    assert exit_info.value.code == 2
    assert capsys.readouterr().err == 'error: rank 1: another rank has ended; its own message says why\n'
    with pytest.raises(RuntimeError, match='shape'):
        run_cli(fails_with(RuntimeError('shape mismatch')))


def test_a_bug_keeps_its_traceback():
    with pytest.raises(KeyError, match='label'):
        run_cli(fails_with(KeyError('label')))
    with pytest.raises(ZeroDivisionError):
        run_cli(fails_with(ZeroDivisionError()))


def test_interrupt_and_success(capsys):
    with pytest.raises(SystemExit) as exit_info:
        run_cli(fails_with(KeyboardInterrupt()))
    assert exit_info.value.code == 130
    with pytest.raises(SystemExit) as exit_info:
        run_cli(lambda: None)
    assert exit_info.value.code == 0


def test_a_missing_package_names_the_extra():
    with pytest.raises(MissingDependencyError, match=r'pip install "avmm\[video\]"'):
        optional_import('no_such_package_of_ours', 'video')


def test_track_yields_everything_without_a_terminal():
    assert list(track(iter(range(3)), 'counting', total=3)) == [0, 1, 2]
