"""`phoenix-channels-python-client`: version 2 of the protocol, and 1 for broadcasts, which it drops in version 2.

It joins and listens, and has no way to push. What is pushed here is written by its own serializer to its own connection.
"""

import itertools
from contextlib import asynccontextmanager

from cases import HOST, host_is, main, room, same, until
from phoenix_channels_python_client import PhoenixChannelsProtocolVersion, PHXChannelsClient, ReconnectPolicy
from phoenix_channels_python_client.exceptions import PHXConnectionError, PHXTopicError
from phoenix_channels_python_client.phx_messages import PHXEvent
from phoenix_channels_python_client.utils import make_message

# A host that is killed at once after each start is nothing to be careful about here.
SOON = ReconnectPolicy(base_delay_s=0.05, factor=1.0, rapid_disconnect_uptime_s=0)
V1 = PhoenixChannelsProtocolVersion.V1


class Client:
    """A client with what it has heard, by topic, and how often it came back."""

    def __init__(self, user: str, **options) -> None:
        self.heard: dict[str, list] = {}
        self.replies: dict[str, tuple] = {}
        self.back, self.beats, self.lost = 0, 0, []
        self.refs = itertools.count(1)
        self.phx = PHXChannelsClient(
            f"ws://{HOST}/socket/websocket?user={user}",
            api_key="unused",
            reconnect_policy=SOON,
            on_reconnect=self._on_reconnect,
            on_topic_lost=self._on_topic_lost,
            on_heartbeat_ack=self._on_beat,
            **options,
        )

    async def _on_reconnect(self) -> None:
        self.back += 1

    async def _on_topic_lost(self, topic: str, error: Exception) -> None:
        self.lost.append((topic, type(error)))

    def _on_beat(self) -> None:
        self.beats += 1

    async def join(self, topic: str) -> None:
        async def hear(message) -> None:
            if message.event == PHXEvent.reply:
                self.replies[message.ref] = (message.payload["status"], message.payload["response"])
            else:
                self.heard.setdefault(topic, []).append((message.event, message.payload))

        await self.phx.subscribe_to_topic(topic, hear)

    def events(self, topic: str, *events: str) -> list:
        return [payload for event, payload in self.heard.get(topic, []) if event in events]

    async def push(self, topic: str, event: str, payload: dict) -> str:
        ref = f"push-{next(self.refs)}"
        join_ref = self.phx.get_current_subscriptions()[topic].join_ref
        message = make_message(event=event, topic=topic, ref=ref, payload=payload, join_ref=join_ref)
        await self.phx.get_protocol_handler().send_message(self.phx.connection, message)
        return ref

    async def reply(self, ref: str) -> tuple:
        await until("a reply", lambda: ref in self.replies)
        return self.replies[ref]

    async def ask(self, topic: str, event: str, payload: dict) -> tuple:
        return await self.reply(await self.push(topic, event, payload))


@asynccontextmanager
async def opened(user: str, **options):
    client = Client(user, **options)
    async with client.phx:
        yield client


async def connects() -> None:
    topic = f"room:{room()}"
    async with opened("anna") as anna:
        await anna.join(topic)
        same(anna.phx.is_topic_joined(topic), True)
        await until("who is there", lambda: anna.events(topic, "presence_state"))
        same(list(anna.events(topic, "presence_state")[0]), ["anna"])


async def refused_socket() -> None:
    try:
        async with opened("nobody"):
            raise AssertionError("it came in")
    except PHXConnectionError:
        pass


async def refused_join() -> None:
    async with opened("anna") as anna:
        try:
            await anna.join("room:closed")
            raise AssertionError("it has joined")
        except PHXTopicError as error:
            same(str(error), "the room is closed")


async def replies() -> None:
    topic = f"room:{room()}"
    async with opened("anna") as anna:
        await anna.join(topic)
        said = {"n": 1, "deep": [None, "ü"]}
        same(await anna.ask(topic, "echo", said), ("ok", said))
        same(await anna.ask(topic, "refuse", {"why": "not now"}), ("error", {"reason": "not now"}))


async def late_reply() -> None:
    topic = f"room:{room()}"
    async with opened("anna") as anna, opened("ben") as ben:
        await anna.join(topic)
        await ben.join(topic)
        late = await anna.push(topic, "later", {"key": "python"})
        same(await anna.ask(topic, "echo", {}), ("ok", {}))
        same(late in anna.replies, False)
        answer = {"key": "python", "status": "error", "body": {"n": 2}}
        same(await ben.ask(topic, "answer", answer), ("ok", {}))
        same(await anna.reply(late), ("error", {"n": 2}))


async def broadcasts() -> None:
    topic = f"room:{room()}"
    async with opened("anna", protocol_version=V1) as anna, opened("ben", protocol_version=V1) as ben:
        await anna.join(topic)
        await ben.join(topic)
        await anna.ask(topic, "broadcast", {"n": 1})
        await anna.ask(topic, "shout", {"n": 2})
        events = "broadcast", "shout"
        await until("both", lambda: len(ben.events(topic, *events)) == 2 and anna.events(topic, *events))
        same(ben.events(topic, *events), [{"n": 1}, {"n": 2}])
        same(anna.events(topic, *events), [{"n": 2}])


async def order() -> None:
    topic = f"room:{room()}"
    async with opened("anna") as anna:
        await anna.join(topic)
        for n in range(300):
            await anna.push(topic, "whisper", {"n": n})
        await until("all of them", lambda: len(anna.events(topic, "whisper")) == 300)
        same(anna.events(topic, "whisper"), [{"n": n} for n in range(300)])


async def presence() -> None:
    topic = f"room:{room()}"

    def metas(client, kind: str) -> list:
        diffs = client.events(topic, "presence_diff")
        return [meta["mood"] for diff in diffs for meta in diff[kind].get("ben", {"metas": []})["metas"]]

    async with opened("anna", protocol_version=V1) as anna:
        await anna.join(topic)
        async with opened("ben", protocol_version=V1) as ben:
            await ben.join(topic)
            await until("ben comes", lambda: metas(anna, "joins") == ["new"])
            await ben.push(topic, "mood", {"mood": "glad"})
            await until("ben changes", lambda: metas(anna, "joins") == ["new", "glad"])
        await until("ben goes", lambda: metas(anna, "leaves") == ["new", "glad"])


async def two_topics() -> None:
    a, b = f"room:{room()}", f"room:{room()}"
    async with opened("anna") as anna:
        await anna.join(a)
        await anna.join(b)
        same([await anna.ask(topic, "echo", {"n": n}) for n, topic in enumerate((a, b))], [("ok", {"n": 0}), ("ok", {"n": 1})])
        await anna.phx.unsubscribe_from_topic(a)
        same(list(anna.phx.get_current_subscriptions()), [b])
        same(await anna.ask(b, "echo", {"n": 2}), ("ok", {"n": 2}))
        await anna.join(a)
        same(await anna.ask(a, "echo", {"n": 3}), ("ok", {"n": 3}))
        same((anna.lost, anna.back), ([], 0))


async def crash() -> None:
    a, b = f"room:{room()}", f"room:{room()}"
    async with opened("anna") as anna:
        await anna.join(a)
        await anna.join(b)
        await anna.push(a, "crash", {})
        await until("a rejoin", lambda: len(anna.events(a, "presence_state")) == 2)
        same((anna.back, anna.lost, len(anna.events(b, "presence_state"))), (0, [], 1))
        same(await anna.ask(a, "echo", {"n": 1}), ("ok", {"n": 1}))


async def stop() -> None:
    topic = f"room:{room()}"
    async with opened("anna") as anna:
        await anna.join(topic)
        await anna.push(topic, "stop", {})
        await until("the end", lambda: anna.lost)
        same((anna.lost, anna.back), ([(topic, PHXTopicError)], 0))


async def kicked() -> None:
    topic = f"room:{room()}"
    async with opened("anna") as anna, opened("ben") as ben:
        await anna.join(topic)
        await ben.join(topic)
        await ben.push(topic, "kick", {"user": "anna"})
        await until("it is back", lambda: anna.back == 1)
        same(await anna.ask(topic, "echo", {"n": 1}), ("ok", {"n": 1}))
        same(ben.back, 0)


async def beats() -> None:
    async with opened("anna", heartbeat_interval_s=0.2, heartbeat_dead_threshold_s=20) as anna:
        await until("answers to heartbeats", lambda: anna.beats > 4)
        same(anna.back, 0)


async def killed() -> None:
    topic = f"room:{room()}"
    async with opened("anna") as anna:
        await anna.join(topic)
        await host_is("kill")
        await until("the loss", lambda: not anna.phx.is_topic_joined(topic))
        await host_is("start")
        await until("it is back", lambda: anna.back == 1)
        same(await anna.ask(topic, "echo", {"n": 1}), ("ok", {"n": 1}))


main(
    {
        "connects with parameters, joins": connects,
        "authenticates with a token": "it has headers and parameters of its own for that, and no subprotocol",
        "is refused a socket": refused_socket,
        "is refused a join": refused_join,
        "gets replies: ok, error": replies,
        "gets a late reply": late_reply,
        "times out where no reply comes": "it has no pushes of its own that could",
        "broadcasts to all, to others": broadcasts,
        "keeps the order of many": order,
        "says and hears bytes": "it reads and writes JSON only",
        "sees who comes, changes and goes": presence,
        "has two topics on one socket, leaves one": two_topics,
        "rejoins after the guest has crashed": crash,
        "takes the end of a channel for one": stop,
        "comes back when it is disconnected": kicked,
        "beats, and stays": beats,
        "reconnects when the host was killed": killed,
        "polls": "it has WebSockets only",
    }
)
