"""What only shows when the whole configuration is there: names that lead nowhere, modes that do not
fit, addresses that are taken twice, timeouts that nobody set."""

from __future__ import annotations

from collections.abc import Iterator

from greenlb.config.problems import Problems
from greenlb.config.sections import Given, Sections, Settings
from greenlb.model import Backend, Bind, Config, Frontend
from greenlb.policy.vocabulary import nearest


def check(config: Config, sections: Sections, problems: Problems) -> None:
    """Tell ``problems`` of everything that does not fit together."""
    backends = {backend.name: backend for backend in config.backends}
    frontends = {frontend.name: frontend for frontend in config.frontends}
    for proxy in sections.proxies:
        if proxy.kind != "backend":
            for line, trouble in _troubles(frontends[proxy.name], proxy, backends):
                problems.error(line.where, trouble)
        _check_timeouts(proxy, problems)
    _check_addresses(config, problems)
    _check_tracks(config, problems)
    _check_retries(config, problems)


def _check_retries(config: Config, problems: Problems) -> None:
    """An application has run when it answers: what it says is passed on."""
    for backend in config.backends:
        asked = [each for each in backend.retry_on if each != "conn-failure"]
        for server in backend.servers:
            if asked and server.app is not None:
                text = f"'retry-on' is not for server '{server.name}', an application"
                problems.warning(server.where, text)


def _troubles(
    frontend: Frontend, proxy: Settings, backends: dict[str, Backend]
) -> Iterator[tuple[Given, str]]:
    """What is wrong with the backends that a frontend names.  Those that a format names show at run time."""
    lines = [(line, line.words[0]) for line in proxy.given("use_backend", "default_backend")]
    for line, name in lines:
        if "%[" in name and line.option.name == "use_backend":
            continue
        backend = backends.get(name)
        if backend is None:
            yield (
                line,
                f"unable to find required {line.option.name}: '{name}'{_backends_near(name, backends)}",
            )
        elif backend.number == frontend.number:
            yield line, f"loop detected: {proxy.title} cannot hand on to itself"
        elif backend.mode != frontend.mode:
            how = (
                "as its default backend"
                if line.option.name == "default_backend"
                else "in a 'use_backend' rule"
            )
            yield (
                line,
                f"{frontend.mode} frontend '{frontend.name}' ({frontend.where}) tries to use incompatible"
                f" {backend.mode} backend '{backend.name}' ({backend.where}) {how} (see 'mode')",
            )


def _backends_near(name: str, backends: dict[str, Backend]) -> str:
    known = ", ".join(list(backends)[:10]) or "none"
    return nearest(name, backends) or f": expected a backend or a listen; there are {known}"


def _check_timeouts(proxy: Settings, problems: Problems) -> None:
    """HAProxy's warning of a proxy whose peers may keep it waiting for ever."""
    if _is_disabled(proxy):
        return
    needed = ["client"] * (proxy.kind != "backend")
    if proxy.kind != "frontend" and proxy.says("server"):
        tunnels = proxy.value("mode", "tcp") == "tcp" and proxy.value("timeout tunnel") is not None
        needed += ["connect"] if tunnels else ["connect", "server"]
    missing = [
        name
        for name in needed
        if proxy.value(f"timeout {name}") is None and not proxy.failed(f"timeout {name}")
    ]
    if missing:
        problems.warning(
            proxy.where,
            f"missing timeouts for {proxy.title}.\n"
            "While not properly invalid, you will certainly encounter various problems\n"
            "with such a configuration. To fix this, please ensure that all following\n"
            "timeouts are set to a non-zero value: " + ", ".join(f"'{name}'" for name in missing) + ".",
        )


def _is_disabled(proxy: Settings) -> bool:
    item = proxy.last("disabled", "enabled")
    return item is not None and item.value == (item.option.name == "disabled")


def _check_tracks(config: Config, problems: Problems) -> None:
    """Who is tracked must be there, and have its health from somewhere."""
    servers = {f"{b.name}/{server.name}": server for b in config.backends for server in b.servers}
    for name, server in servers.items():
        seen = [name]
        while server.track and len(seen) <= len(servers):
            tracked = servers.get(server.track)
            if tracked is None:
                problems.error(
                    server.where,
                    f"'track': there is no server '{server.track}'{nearest(server.track, servers)}",
                )
                break
            if server.track in seen:
                problems.error(
                    server.where, f"'track': {' -> '.join([*seen, server.track])} goes in a circle"
                )
                break
            seen.append(server.track)
            if not tracked.track and tracked.check is None and tracked.agent is None:
                problems.error(
                    server.where, f"'track': '{server.track}' has no health of its own: it needs 'check'"
                )
            server = tracked


def _check_addresses(config: Config, problems: Problems) -> None:
    """Two binds that the kernel gives to one alone: the same address, or all addresses and one of them."""
    ports: dict[tuple[bool, int, str], list[tuple[Frontend, Bind]]] = {}
    for frontend in config.frontends:
        for bind in frontend.binds if not frontend.disabled else ():
            address = bind.address
            rivals = ports.setdefault((address.unix, address.port, address.host if address.unix else ""), [])
            for other, first in rivals:
                if _overlap(first, bind):
                    problems.error(
                        bind.where,
                        f"'bind {address.name}' of frontend '{frontend.name}': the address is taken by"
                        f" 'bind {first.address.name}' of frontend '{other.name}' at {first.where}",
                    )
                    break
            rivals.append((frontend, bind))


def _overlap(one: Bind, other: Bind) -> bool:
    """Whether two binds of one port (or one path) exclude each other."""
    hosts = one.address.host or "0.0.0.0", other.address.host or "0.0.0.0"
    if hosts[0] == hosts[1]:
        return True
    return bool(_families(one) & _families(other)) and not {"0.0.0.0", "::"}.isdisjoint(hosts)


def _families(bind: Bind) -> set[int]:
    """The versions of IP that it takes clients of; all of IPv6 is all of IPv4 too, unless v6only."""
    if bind.address.ipv6:
        return {6} if bind.v6only or bind.address.host != "::" else {4, 6}
    return {4}
