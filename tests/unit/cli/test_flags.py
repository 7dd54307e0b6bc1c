"""Flags are read as HAProxy reads its own."""

import pytest

from greenlb.cli import flags


def test_many_files_keep_their_order():
    options = flags.parse(["-f", "b.ini", "-f", "a.ini", "--", "-c", "d"])
    assert options.files == ["b.ini", "a.ini", "-c", "d"]
    assert options.action == "run"


def test_check_with_modifiers():
    options = flags.parse(["-c", "-dW", "-q", "-f", "x"])
    assert (options.action, options.zero_warning, options.quiet) == ("check", True, True)


def test_the_last_of_quiet_and_verbose_wins():
    assert flags.parse(["-q", "-V", "-f", "x"]).verbose
    assert not flags.parse(["-q", "-V", "-f", "x"]).quiet
    assert flags.parse(["-V", "-q", "-f", "x"]).quiet


@pytest.mark.parametrize(
    ("word", "action"),
    [("-v", "version"), ("-vv", "versions"), ("-h", "help"), ("--help", "help"), ("--version", "version")],
)
def test_what_needs_no_file_ends_the_reading(word, action):
    assert flags.parse([word, "-nonsense"]).action == action


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no configuration: -f FILE is missing"),
        (["-c"], "no configuration: -f FILE is missing"),
        (["-f"], "-f needs a file or a folder after it"),
        (["-vvv", "-f", "x"], "unknown flag '-vvv'; did you mean '-vv'?"),
        (["--frobnicate"], "unknown flag '--frobnicate'"),
        (["-c", "x.ini"], "'x.ini' is not a flag; a configuration file is given with -f x.ini"),
    ],
)
def test_what_makes_no_sense_is_named(words, message):
    with pytest.raises(flags.UsageError) as caught:
        flags.parse(words)
    assert str(caught.value) == message


def test_every_flag_is_parsed_and_stands_in_the_usage():
    lines = flags.usage().splitlines()[2:]
    assert [line.split()[0] for line in lines] == [flag.name for flag in flags.FLAGS]
    for flag in flags.FLAGS:
        words = [flag.name, "1"] if flag.argument else [flag.name]
        flags.parse(words if flag.name == "--wsgi" else ["-f", "x", *words])


def test_process_ids_are_the_numbers_that_follow():
    options = flags.parse(["-D", "-f", "x", "-p", "pid", "-sf", "12", "13", "-W", "-st"])
    assert options.daemon
    assert (options.pidfile, options.finish, options.terminate) == ("pid", [12, 13], [])
    assert options.files == ["x"]


def test_an_application_in_the_place_of_a_configuration():
    options = flags.parse(["--wsgi", "shop:app", "--bind", ":80", "--tls"])
    assert (options.wsgi, options.bind, options.tls, options.certificate) == ("shop:app", ":80", True, "")
    options = flags.parse(["--tls", "site.pem", "--wsgi", "shop:app", "-c"])
    assert (options.certificate, options.bind, options.action) == ("site.pem", "127.0.0.1:8000", "check")
    with pytest.raises(flags.UsageError, match="does not go with -f"):
        flags.parse(["--wsgi", "shop:app", "-f", "x"])
