"""What rules may ask about the farm: names, handles, rates."""

from __future__ import annotations

import pytest

from greenlb.policy.farm import Farm, Handle, Rate
from greenlb.policy.samples import compile_sample
from greenlb.policy.scope import Scope


@pytest.fixture
def farm() -> Farm:
    made = Farm()
    made.declare("fe", frontend=True, servers=None)
    made.declare("be", frontend=False, servers=["s1", "s2"])
    made.declare("both", frontend=True, servers=["t1"])
    return made


@pytest.mark.parametrize(
    ("kind", "text", "own", "found"),
    [
        ("backend", "be", "fe", ("", "be")),
        ("backend", "", "be", ("", "be")),
        ("frontend", "", "both", ("", "both")),
        ("server", "s2", "be", ("be", "s2")),
        ("server", "both/t1", "fe", ("both", "t1")),
    ],
)
def test_what_a_name_means(farm: Farm, kind: str, text: str, own: str, found: tuple[str, str]) -> None:
    handle = farm.find(kind, text, own)
    assert isinstance(handle, Handle)
    assert (handle.kind, handle.backend, handle.name) == (kind, *found)
    assert farm.find(kind, text, own) is handle


@pytest.mark.parametrize(
    ("kind", "text", "own", "message"),
    [
        ("backend", "bee", "fe", "there is no backend 'bee' (did you mean 'be'?)"),
        ("backend", "", "fe", "this section is no backend: the name of one is expected between parentheses"),
        ("frontend", "be", "fe", "there is no frontend 'be'"),
        ("server", "s1", "fe", "this section is no backend: the name of one is expected between parentheses"),
        ("server", "be/s9", "fe", "backend 'be' has no server 's9'"),
        ("server", "xx/s1", "fe", "there is no backend 'xx'"),
    ],
)
def test_names_that_are_none(farm: Farm, kind: str, text: str, own: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        farm.find(kind, text, own)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("srv_conn", "'srv_conn' lacks its argument '[backend/]server'"),
        ("nbsrv(be,be)", "'nbsrv' takes 1 argument(s), got 2"),
        ("str(be),nbsrv(be)", "'nbsrv' takes no argument, got 1"),
    ],
)
def test_wrong_arguments(farm: Farm, text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        compile_sample(text, Scope("fe", farm=farm))
    assert message in str(caught.value)


def test_samples_ask_what_they_are_bound_to(farm: Farm) -> None:
    """A sample holds its handle; what is asked for is known before anything is bound."""

    class Now:
        def usable(self) -> int:
            return 7

    class Live:
        def backend(self, handle: Handle) -> Now:
            assert handle.asked == {"usable"}
            return Now()

    fetch, kind = compile_sample("nbsrv(be)", Scope("fe", farm=farm))
    assert (kind, len(farm)) == ("int", 1)
    farm.bind(Live())  # type: ignore[arg-type]  # nobody asks for the rest
    assert fetch(None) == 7  # type: ignore[arg-type]  # whatever the exchange


def test_a_rate_slides(monkeypatch: pytest.MonkeyPatch) -> None:
    """What came in this second, and the part of the one before that is not yet over."""
    now = [100.0]
    monkeypatch.setattr("greenlb.policy.farm.time.monotonic", lambda: now[0])
    count = [50]
    rate = Rate(lambda: count[0])
    rate.start()
    assert rate.value() == 0
    count[0] += 40
    assert rate.value() == 40
    now[0] += 1.0
    rate.tick()
    assert rate.value() == 40
    now[0] += 0.5
    assert rate.value() == 20
    count[0] += 10
    assert rate.value() == 30
    now[0] += 0.5
    rate.tick()
    now[0] += 1.0
    rate.tick()
    assert rate.value() == 0


def test_one_a_second_is_not_none() -> None:
    """HAProxy's rounding: one in the second before is shown for all of this one."""
    count = [0]
    rate = Rate(lambda: count[0])
    rate.start()
    count[0] = 1
    rate.tick()
    assert rate.value() == 1
