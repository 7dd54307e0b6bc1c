"""A folder given to ``-f`` stands for its configuration files."""

import pytest

from greenlb.cli.files import expand


def test_a_folder_is_read_in_name_order_and_others_keep_their_place(tmp_path):
    folder = tmp_path / "conf.d"
    folder.mkdir()
    for name in ("20-b.cfg", "10-a.ini", ".hidden.ini", "readme.txt"):
        (folder / name).touch()
    first = tmp_path / "first.conf"
    first.touch()
    assert expand([str(first), str(folder)]) == [
        str(first),
        str(folder / "10-a.ini"),
        str(folder / "20-b.cfg"),
    ]


def test_a_folder_without_ini_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"no \*\.ini and no \*\.cfg in the folder"):
        expand([str(tmp_path)])


def test_a_missing_file_is_told_as_haproxy_tells_it(tmp_path):
    with pytest.raises(ValueError, match=r"Cannot open configuration file/directory .*x\.ini : No such file"):
        expand([str(tmp_path / "x.ini")])
