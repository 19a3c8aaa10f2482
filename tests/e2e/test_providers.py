# SPDX-License-Identifier: GPL-3.0-or-later
import unittest

from harness import Case, Client, as_socket


class Providers(Case):
    def test_incoming_says_who_asks(self):
        a, b, _, _ = self.pair(echo=False)
        served = self.provider(a)
        asked = b.send("call", target="alice", protocol="Prov", command="say", data={"text": "hi"})
        incoming = a.event(served, "incoming")
        self.assertEqual({k: incoming[k] for k in ("kind", "peer", "peer_name", "role", "command", "data")},
                         {"kind": "call", "peer": b.data("identity.show")["id"], "peer_name": "bob", "role": "member", "command": "say", "data": {"text": "hi"}})
        self.assertLessEqual(incoming["deadline_ms"], 30000)
        a.ask("reply", **{"call": incoming["call"]}, data={"ok": True})
        self.assertEqual(b.answer(asked)["data"], {"ok": True})

    def test_reject(self):
        a, b, _, _ = self.pair(echo=False)
        served = self.provider(a)
        for code, status in ((1001, "app_error"), ("busy", "error")):
            asked = b.send("call", target="alice", protocol="Prov", octets=b"")
            incoming = a.event(served, "incoming")
            a.send_line('{"type":"reject","call":"%s","code":%s,"text":"no room"}' % (incoming["call"], '"busy"' if code == "busy" else code))
            answer = b.answer(asked)
            self.assertEqual((answer["status"], answer["code"]), (status, code))
            self.assertIn("no room", answer["data"])

    def test_reject_of_a_stream(self):
        a, b, _, _ = self.pair(echo=False)
        served = self.provider(a)
        asked = b.send("stream", target="alice", protocol="Prov")
        incoming = a.event(served, "incoming")
        a.ask("reject", **{"call": incoming["call"]}, code=1002, text="not now")
        answer = b.answer(asked)
        self.assertEqual((answer["status"], answer["code"], answer["data"]), ("app_error", 1002, "not now"))

    def test_a_stream_that_is_never_answered_is_waited_for_as_long_as_the_caller_said(self):
        a, b, _, _ = self.pair(echo=False)
        served = self.provider(a)
        self.refused("timeout", b.ask, "stream", target="alice", protocol="Prov", timeout_ms=300)
        incoming = a.event(served, "incoming")
        self.assertEqual(a.event(served, "cancelled")["call"], incoming["call"])

    def test_a_dead_providers_calls_fail_and_are_not_repeated(self):
        a, b, one, _ = self.pair(echo=False)
        other = Client(one.home)
        served = self.provider(other)
        asked = b.send("call", target="alice", protocol="Prov", octets=b"")
        other.event(served, "incoming")
        other.close()
        self.assertEqual(b.answer(asked)["code"], "plugin_failed")
        served = a.ask("serve", protocol="Prov")["id"]  # the place is free, and nothing waits there
        asked = b.send("call", target="alice", protocol="Prov", octets=b"second")
        self.assertEqual(a.event(served, "incoming")["octets"], b"second")

    def test_a_dead_providers_streams_are_reset(self):
        a, b, one, _ = self.pair(echo=False)
        other = Client(one.home)
        served = self.provider(other)
        asked = b.send("stream", target="alice", protocol="Prov")
        incoming = other.event(served, "incoming")
        other.ask("reply", call=incoming["call"])
        stream = as_socket(b.answer(asked)["taken"][0])
        self.addCleanup(stream.close)
        other.close()  # with its end of the stream
        self.assertEqual(b.event(asked, "closed")["code"], "plugin_failed")

    def test_without_a_provider(self):
        a, b, _, _ = self.pair(echo=False)
        a.ask("binding.add", protocol="Prov", provider=True, access=["public"])
        self.assertEqual(a.data("identity.show")["bindings"][0]["state"], "waiting")
        answer = b.answer(b.send("call", target="alice", protocol="Prov", octets=b""))
        self.assertEqual(answer["code"], "offline")

    def test_only_one_provider(self):
        a, b, one, _ = self.pair(echo=False)
        self.provider(a)
        other = self.client_of(one)
        self.refused("busy", other.ask, "serve", protocol="Prov")
        a.ask("binding.add", protocol="Echo", access=[])
        self.refused("bad_request", other.ask, "serve", protocol="Echo")
        self.refused("unknown_protocol", other.ask, "serve", protocol="Nope")

    def test_max_in_flight(self):
        a, b, _, _ = self.pair(echo=False)
        served = self.provider(a, max_in_flight=2)
        asked = [b.send("call", target="alice", protocol="Prov", octets=b"") for _ in range(3)]
        self.assertEqual(b.wait(lambda m: m.get("id") in asked)["code"], "busy")
        for _ in range(2):
            a.send("reply", **{"call": a.event(served, "incoming")["call"]}, octets=b"done")

    def test_cancel_of_serve(self):
        a, b, _, _ = self.pair(echo=False)
        served = self.provider(a)
        asked = b.send("call", target="alice", protocol="Prov", octets=b"")
        a.event(served, "incoming")
        a.ask("cancel", request=served)
        self.assertEqual(b.answer(asked)["code"], "plugin_failed")
        a.ask("serve", protocol="Prov")

    def test_serves_again_after_offline_and_online(self):
        a, b, _, _ = self.pair(echo=False)
        served = self.provider(a)
        a.ask("identity.offline", drain="wait")
        a.ask("identity.online")
        asked = b.send("call", target="alice", protocol="Prov", octets=b"")
        a.send("reply", **{"call": a.event(served, "incoming")["call"]}, octets=b"back")
        self.assertEqual(b.answer(asked)["octets"], b"back")

    def test_replies_to_nothing(self):
        c = self.client_of(self.start("home"))
        self.refused("bad_request", c.ask, "reply", **{"call": "c1"})
        c.send_line('{"type":"reply","call":"c7"}')
        self.assertEqual(c.read_message()["id"], "")


class Subscriptions(Case):
    def test_identities_and_peers(self):
        a, b, one, _ = self.pair()
        other = self.client_of(one)
        id = other.ask("subscribe", topics=["peers", "identities"])["id"]
        b.ask("call", target="alice", protocol="Echo", data={"message": "x"})
        event = other.event(id, "topic")
        self.assertEqual((event["topic"], event["data"]["state"], event["data"]["name"]), ("peers", "connected", "bob"))
        a.ask("identity.create", name="carol")
        event = other.wait(lambda m: m.get("topic") == "identities")
        self.assertEqual((event["data"]["identity"], event["data"]["state"]), ("carol", "created"))

    def test_unknown_topics(self):
        c = self.client_of(self.start("home"))
        self.refused("bad_request", c.ask, "subscribe", topics=["weather"])
        self.refused("unknown_identity", c.ask, "subscribe", topics=["instance:nobody/Echo"])


if __name__ == "__main__":
    unittest.main()
