"""Every kind of fault that happens while people chat. Each leaves the system whole again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests.chaos.world import AGENT_GRACE_SECONDS, World
from tests.e2e.server import wait_until
from tests.e2e.valkey import Valkey
from tests.e2e.wire_proxy import Delay, LostReply, Match, Trouble, command

Fault = Callable[[World, random.Random], None]

STANDSTILLS = (1.0, 2.5, AGENT_GRACE_SECONDS + 2.0)
"""Seconds; the last is longer than agents may be away."""

WRITES = {
    "messages": command("insert", "messages"),
    "sessions": command("findAndModify", "sessions"),
    "agents": command("findAndModify", "agents"),
    "releases": command("update", "agents"),
}


def valkey_of(world: World) -> Valkey:
    """Return the Valkey of a world that has one."""
    assert world.valkey is not None
    return world.valkey


def kill_server(world: World, chance: random.Random) -> None:
    """A server process is killed with SIGKILL, and started again."""
    server = chance.choice(world.servers)
    server.kill()
    time.sleep(chance.choice([0.0, 0.5]))
    server.start()


def restart_server(world: World, chance: random.Random) -> None:
    """A server process ends with SIGTERM, as in a deployment, and is started again."""
    chance.choice(world.servers).restart()


def freeze_server(world: World, chance: random.Random) -> None:
    """A server process is stopped, sometimes for longer than its agents may be away, and continues."""
    server = chance.choice(world.servers)
    server.freeze()
    time.sleep(chance.choice(STANDSTILLS))
    server.thaw()


def kill_mongod(world: World, chance: random.Random) -> None:
    """The only mongod is killed, and started again."""
    (port,) = world.database_set.ports
    world.database_set.kill(port)
    time.sleep(chance.choice([0.0, 1.0]))
    world.database_set.start(port)
    world.database_set.wait_for_primary()


def freeze_mongod(world: World, chance: random.Random) -> None:
    """The only mongod is stopped, sometimes for longer than the agents' leases last, and continues."""
    (port,) = world.database_set.ports
    world.database_set.freeze(port)
    time.sleep(chance.choice(STANDSTILLS))
    world.database_set.thaw(port)


def kill_valkey(world: World, chance: random.Random) -> None:
    """Valkey is killed, and comes back after a while."""
    valkey = valkey_of(world)
    valkey.kill()
    time.sleep(chance.uniform(0.5, 3.0))
    valkey.start()


def freeze_valkey(world: World, chance: random.Random) -> None:
    """Valkey is stopped: events published meanwhile arrive late, all at once."""
    valkey = valkey_of(world)
    valkey.freeze()
    time.sleep(chance.choice(STANDSTILLS))
    valkey.thaw()


def restart_without_valkey(world: World, chance: random.Random) -> None:
    """Valkey is away while a server ends, with events that it has not published yet."""
    valkey = valkey_of(world)
    chance.choice([valkey.kill, valkey.freeze])()
    time.sleep(chance.uniform(0.5, 1.5))
    chance.choice(world.servers).restart()
    if valkey.is_running:
        valkey.thaw()
    else:
        valkey.start()


def kill_receiver(world: World, chance: random.Random) -> None:
    """The receiver of the webhook is killed, and comes back after a while."""
    world.receiver.kill()
    time.sleep(chance.uniform(0.5, 3.0))
    world.receiver.start()


def lose_replies(world: World, chance: random.Random) -> None:
    """Writes are carried out, but their replies are lost; of some, also the reply to the driver's repetition."""
    _trouble(world, chance, lambda match, times: LostReply(match, times, every_time=chance.random() < 0.7))


def delay_writes(world: World, chance: random.Random) -> None:
    """Writes reach the database seconds later, some after their caller has given up."""
    seconds = chance.choice([1.0, 3.0, 9.0])
    _trouble(world, chance, lambda match, times: Delay(match, times, seconds))


def cut_connections(world: World, chance: random.Random) -> None:
    """Connections to the database are cut, one by one and all at once."""
    for _ in range(20):
        chance.choice(world.proxies).cut(chance)
        time.sleep(0.05)
    chance.choice(world.proxies).cut_all()


def shift_clock(world: World, chance: random.Random) -> None:
    """A server's clock is wrong, jumps, and is set right."""
    clock = chance.choice(world.clocks)
    for ahead in (chance.choice([0.4, 300.0, -300.0]), chance.choice([3_600.0, -3_600.0]), 0.0):
        clock.set(ahead)
        time.sleep(1.5)


def step_down(world: World, chance: random.Random) -> None:
    """The primary steps down, and another member is elected."""
    for _ in range(chance.choice([1, 2])):
        world.database_set.step_down()
        world.database_set.wait_for_primary()


def kill_primary(world: World, chance: random.Random) -> None:
    """The primary is killed; another member is elected, and the dead one comes back."""
    primary = world.database_set.wait_for_primary()
    world.database_set.kill(primary)
    world.database_set.wait_for_primary()
    time.sleep(chance.uniform(0.0, 1.0))
    world.database_set.start(primary)


def freeze_primary(world: World, chance: random.Random) -> None:
    """The primary is stopped until another member is elected, and then continues."""
    primary = world.database_set.wait_for_primary()
    world.database_set.freeze(primary)
    try:
        wait_until(lambda: world.database_set.primary() not in (None, primary), 60)
        time.sleep(chance.uniform(0.0, 1.0))
    finally:
        world.database_set.thaw(primary)


def start_with_a_member_down(world: World, chance: random.Random) -> None:
    """A server starts and has indexes to build, which waits for a member that is down."""
    primary = world.database_set.wait_for_primary()
    down = chance.choice([port for port in world.database_set.ports if port != primary])
    world.database_set.kill(down)
    try:
        world.database.sessions.drop_index("newest")
        chance.choice(world.servers).restart()
        time.sleep(AGENT_GRACE_SECONDS)
    finally:
        world.database_set.start(down)


def come_and_go(world: World, chance: random.Random) -> None:
    """Without a Redis between them, one process is stopped, and another one ends and starts again."""
    leaving, staying = chance.sample(world.servers, 2)
    with staying.frozen():
        time.sleep(chance.choice(STANDSTILLS))
    chance.choice([leaving.kill, leaving.terminate])()
    time.sleep(chance.uniform(0.5, 2.0))
    leaving.start()


def two_at_once(world: World, chance: random.Random) -> None:
    """While Valkey is stopped or away, something else breaks."""
    others = [kill_server, freeze_server, kill_mongod, lose_replies, delay_writes, cut_connections, shift_clock]
    # Each thread has its own random numbers, because their order is not fixed.
    first, second = random.Random(chance.random()), random.Random(chance.random())
    with ThreadPoolExecutor(1) as pool:
        away = pool.submit(chance.choice([kill_valkey, freeze_valkey]), world, first)
        chance.choice(others)(world, second)
        away.result()


def _trouble(world: World, chance: random.Random, make: Callable[[Match, int], Trouble]) -> None:
    """Let each kind of write fail, one after the other, each at another server."""
    names = sorted(WRITES)
    chance.shuffle(names)
    for name in names:
        trouble = make(WRITES[name], chance.choice([1, 2, 3]))
        proxy = chance.choice(world.proxies)
        proxy.troubles.append(trouble)
        begun = time.monotonic()
        while trouble.left and time.monotonic() - begun < 3:
            time.sleep(0.05)
        time.sleep(0.2)  # This allows for the driver's repetitions.
        proxy.troubles.remove(trouble)


OF_SERVERS: list[Fault] = [kill_server, restart_server, freeze_server, shift_clock]
OF_THE_DATABASE: list[Fault] = [kill_mongod, freeze_mongod, lose_replies, delay_writes, cut_connections]
AROUND_THEM: list[Fault] = [kill_valkey, freeze_valkey, restart_without_valkey, kill_receiver, two_at_once]
OF_THREE_MEMBERS: list[Fault] = [step_down, kill_primary, freeze_primary, start_with_a_member_down]
WITHOUT_VALKEY: list[Fault] = [come_and_go]
ALL = [*OF_SERVERS, *OF_THE_DATABASE, *AROUND_THEM, *OF_THREE_MEMBERS, *WITHOUT_VALKEY]
