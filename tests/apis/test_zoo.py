"""list_models and what is known of each model."""
from __future__ import annotations

import pytest

from avmm.apis import find_config, inferencer_class, init_inferencer, list_models, model_infos
from avmm.apis.inferencer import AVInferencer
from avmm.registry import INFERENCERS
from avmm.utils import ConfigError


def test_every_config_that_can_be_run_has_one_name():
    names = list_models()
    assert names == sorted(set(names)) and len(names) > 100
    files = [info.config for info in model_infos().values()]
    assert len(files) == len(set(files)) and not any('_base_' in str(f) for f in files)
    assert {'av_digits', 'cmran_supv_1xb32-200e_ave', 'resnet18_concat_1xb64-100e_vggsound'} <= set(names)


def test_patterns_and_tasks():
    assert list_models('av_digits*') == ['av_digits', 'av_digits_audio', 'av_digits_ogmge', 'av_digits_visual']
    assert list_models('digits_og') == ['av_digits_ogmge'] and list_models('no such') == []
    assert 'dimn_supv_1xb32-200e_ave' in list_models('d*_supv_1xb32-200e_ave')
    assert list_models('cmran_weak*', 'event localisation') == list_models('cmran_weak*', 'Event Localization') == [
        'cmran_weak_1xb32-10e_ave_synthetic', 'cmran_weak_1xb32-200e_ave']
    assert 'av_digits' in list_models('av_digits', 'classification') and list_models('av_digits', 'weak') == []


def test_what_a_metafile_says(tmp_path):
    info = model_infos()['cmran_supv_1xb32-200e_ave']
    assert (info.project, info.collection, info.dataset) == ('cmran', 'CMRAN', 'AVE')
    assert dict(info.published) == {'Published segment accuracy': 77.4}
    shared = model_infos()['av_digits']
    assert (shared.project, shared.task) == ('', 'Audio-visual classification')
    folder = tmp_path / 'projects' / 'mine' / 'configs'
    folder.mkdir(parents=True)
    (folder / 'mine.py').write_text('a = 1')
    (tmp_path / 'projects' / 'mine' / 'metafile.yml').write_text(
        'Models:\n  - Name: mine\n    Config: projects/mine/configs/mine.py\n  - Name: gone\n    Config: gone.py\n')
    assert list_models(root=tmp_path) == ['mine'] and model_infos(tmp_path)['mine'].task == ''


def test_a_config_by_file_or_by_name(tmp_path):
    assert find_config('av_digits').model.type == 'AVClassifier'
    assert find_config('av_digits', {'model.num_classes': 3}).model.num_classes == 3
    with pytest.raises(ConfigError, match=r'av_digit: neither a config file.*did you mean av_digits\b'):
        find_config('av_digit')
    with pytest.raises(ConfigError, match=r'absent\.py: no such config file'):
        find_config(tmp_path / 'absent.py')


class LoudestForTests(AVInferencer):
    """Names the file and an option."""
    task = 'Loudness'

    def __init__(self, config, checkpoint=None, device=None, *, word: str = 'quiet', **kwargs):
        super().__init__(config, checkpoint, device, **kwargs)
        self.word = word

    def prepare(self, item):
        from avmm.apis import Answer
        from avmm.apis.inferencer import item_name
        return Answer(item_name(item))

    def run(self, batch):
        for answer in batch:
            answer.info['said'] = f'{answer.name} is {self.word}'

    def result(self, answer):
        return dict(said=answer.info['said'])


def test_an_inferencer_of_a_project(tmp_path):
    INFERENCERS.register_module(module=LoudestForTests, force=True)
    cfg = find_config('av_digits')
    cfg.inferencer = dict(type='LoudestForTests', word='loud')
    assert inferencer_class(cfg) is LoudestForTests
    own = init_inferencer(cfg, device='cpu')
    assert own(['a', 'b']) == [dict(file='a', said='a is loud'), dict(file='b', said='b is loud')]
    assert init_inferencer(cfg, device='cpu', word='still')('a')[0]['said'] == 'a is still'
    with pytest.raises(ConfigError, match='LoudestForTests draws no pictures'):
        own('a', pictures=tmp_path)
    cfg.inferencer = dict(type='Loudest')
    with pytest.raises(KeyError, match='did you mean LoudestForTests'):
        inferencer_class(cfg)
