"""Tables of names, and converters of state dicts."""
from __future__ import annotations

import pytest
import torch

from avmm.utils import CheckpointError
from avmm.utils.conversion import NameTable, state_converter

TABLE = NameTable([('encoder.layers.{n}.fc', 'stack.{n}.linear'), ('encoder', 'rest'), ('out', 'head.out')],
                  unused=[r'guide\.', r'encoder\.template\.'])


def official() -> dict[str, torch.Tensor]:
    names = ['encoder.layers.0.fc.weight', 'guide.weight', 'encoder.layers.12.fc.weight', 'encoder.template.weight',
             'encoder.norm', 'out.bias']
    # The last one has no leaf of its own.
    names[4] += '.weight'
    return {f'module.{name}': torch.full((2, ), float(i), dtype=torch.float64) for i, name in enumerate(names)}


def test_names_both_ways():
    state = official()
    ours = TABLE.from_official(state)
    assert list(ours) == ['stack.0.linear.weight', 'stack.12.linear.weight', 'rest.norm.weight', 'head.out.bias']
    assert set(TABLE.unused(state)) == {'guide.weight', 'encoder.template.weight'}
    back = TABLE.to_official(ours, TABLE.unused(state))
    assert {f'module.{name}': value for name, value in back.items()} == state


def test_the_beginning_of_a_name_ends_at_a_dot():
    with pytest.raises(CheckpointError, match="the tensor 'output.bias' belongs to another model"):
        TABLE.from_official({'output.bias': torch.zeros(1)})


def test_file_comes_back_in_its_order(tmp_path):
    torch.save(official(), tmp_path / 'official.pth')
    converter = state_converter('toy', TABLE)
    checkpoint = converter.read(tmp_path / 'official.pth', False, True)
    converter.write(checkpoint, tmp_path / 'back.pth')
    back = torch.load(tmp_path / 'back.pth', weights_only=True)
    assert list(back) == list(official())
    assert all(torch.equal(value, back[name]) and value.dtype == back[name].dtype
               for name, value in official().items())


def test_unused_tensors_are_filled_where_they_were_not_kept(tmp_path):
    torch.save(dict(state_dict=official(), epoch=3), tmp_path / 'official.pth')
    converter = state_converter('toy', TABLE, lambda state: {'guide.weight': state['out.bias'] + 1})
    checkpoint = converter.read(tmp_path / 'official.pth', False, False)
    assert set(checkpoint) == {'state_dict', 'meta'}
    converter.write(checkpoint, tmp_path / 'back.pth')
    back = torch.load(tmp_path / 'back.pth', weights_only=True)
    assert back['module.guide.weight'].tolist() == [6, 6] and 'module.encoder.template.weight' not in back


@pytest.mark.parametrize(('content', 'shown'), [(dict(epoch=3), 'epoch'), ({}, 'nothing')])
def test_file_without_a_state_dict(tmp_path, content, shown):
    torch.save(content, tmp_path / 'odd.pth')
    with pytest.raises(CheckpointError, match=f'odd.pth holds no state dict, but {shown}'):
        state_converter('toy', TABLE).read(tmp_path / 'odd.pth', False, False)


def test_a_name_may_be_a_whole_tensor():
    table = NameTable([('cls_token', 'token')], prefixed=False)
    assert table.to_official(table.from_official({'module.cls_token': torch.ones(1)})) == {'cls_token': torch.ones(1)}


@pytest.mark.parametrize('keep', [False, True])
def test_state_beside_other_entries(tmp_path, keep):
    state = {'out.bias': torch.ones(1)}
    torch.save(dict(epoch=3, model=state, metric='score'), tmp_path / 'official.pth')
    converter = state_converter('toy', NameTable([('out', 'head')], prefixed=False), key='model')
    checkpoint = converter.read(tmp_path / 'official.pth', False, keep)
    converter.write(checkpoint, tmp_path / 'back.pth')
    back = torch.load(tmp_path / 'back.pth', weights_only=True)
    assert list(back) == (['epoch', 'model', 'metric'] if keep else ['model'])
    assert back['model'] == state and back.get('epoch') == (3 if keep else None)
