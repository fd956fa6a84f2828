import pytest

from unet_helpers.classroom.files import (
    UserError,
    choose_notebooks,
    choose_one,
    find_notebooks,
    write_atomically,
)


@pytest.fixture
def folder(tmp_path):
    for name in ("03_training", "00_start_here", "03_more"):
        (tmp_path / f"{name}.ipynb").write_text("{}")
    (tmp_path / ".hidden.ipynb").write_text("{}")
    return tmp_path


def test_notebooks_come_in_the_order_of_their_names(folder):
    names = [path.stem for path in choose_notebooks(folder)]
    assert names == ["00_start_here", "03_more", "03_training"]


@pytest.mark.parametrize("name", ["03_t", "03_training", "03_training.ipynb"])
def test_one_is_chosen_by_the_start_of_its_name(folder, name):
    assert choose_one(folder, name).stem == "03_training"


def test_a_number_does_not_choose_the_notebook_that_stands_beside_it(folder):
    for name in ("01_data_loading", "01b_drawing_data"):
        (folder / f"{name}.ipynb").write_text("{}")
    assert choose_one(folder, "01").stem == "01_data_loading"
    assert choose_one(folder, "01b").stem == "01b_drawing_data"
    assert len(choose_notebooks(folder, "0")) == 5


@pytest.mark.parametrize(("name", "said"), [("07", "choose one of: 00"), ("03", "fits 2")])
def test_none_or_several_is_said(folder, name, said):
    with pytest.raises(UserError, match=said):
        choose_one(folder, name)


def test_an_empty_folder_is_said(tmp_path):
    with pytest.raises(UserError, match="found none"):
        choose_notebooks(tmp_path)


def test_the_current_folder_comes_before_the_package(tmp_path):
    (tmp_path / "notebooks").mkdir()
    assert find_notebooks(tmp_path) == (tmp_path / "notebooks").resolve()


def test_no_folder_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("unet_helpers.classroom.files.__file__", str(tmp_path / "a/b/c/files.py"))
    with pytest.raises(UserError, match="change to the course's folder"):
        find_notebooks(tmp_path)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(TypeError):
        write_atomically(path, "not bytes")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
