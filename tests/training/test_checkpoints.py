"""Trainings that go on from a checkpoint end as if they had not been cut off."""

import pytest
from resumptions import CASES, CutError, CutOff, assert_same, fit, trainer

from netts.training import Checkpoint


@pytest.mark.parametrize("cut", [1, 4, 5, 7, 9, 11])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_training_that_was_cut_off_ends_as_one_that_was_not(case, cut, tmp_path):
    path = tmp_path / "run.ckpt"
    expected = fit(trainer(case), case)
    with pytest.raises(CutError):
        fit(trainer(case, Checkpoint(path, every_steps=1), CutOff(cut)), case)
    found = fit(trainer(case), case, resume=path)
    assert_same(found, expected)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_checkpoints_disturb_nothing(case, tmp_path):
    every = Checkpoint(tmp_path / "{step}.ckpt", every_steps=3, every_epochs=1, keep=None)
    assert_same(fit(trainer(case, every), case), fit(trainer(case), case))
    assert len(every.paths_) > 3
