# SPDX-License-Identifier: GPL-3.0-or-later
import json
import socket
import unittest

from harness import Case

MIB = 1 << 20


class Calls(Case):
    def test_echo(self):
        a, b, _, _ = self.pair()
        answer = b.ask("call", target="alice", protocol="Echo", data={"message": "hi"})
        self.assertEqual(answer["line"], b'{"id":"%s","status":"ok","data":{"echoed":"hi"}}' % answer["id"].encode())

    def test_octets(self):
        a, b, _, _ = self.pair()
        answer = b.ask("call", target="alice", protocol="Echo", octets=b"\x00\n\xff")
        self.assertEqual(answer["octets"], b"\x00\n\xff")

    def test_largest_request_and_reply(self):
        a, b, _, _ = self.pair()
        octets = bytes(range(256)) * (MIB // 256)
        self.assertEqual(b.ask("call", target="alice", protocol="Echo", octets=octets)["octets"], octets)
        self.refused("too_large", b.ask, "call", target="alice", protocol="Echo", octets=octets + b"x")
        self.assertEqual(b.data("call", target="alice", protocol="Echo", data={"message": "still in step"})["echoed"], "still in step")

    def test_application_errors(self):
        a, b, _, _ = self.pair()
        for data in ({"message": ""}, {"message": "x" * 1001}, {"message": 7}, ["message"]):
            answer = b.answer(b.send("call", target="alice", protocol="Echo", data=data))
            self.assertEqual(answer["status"], "app_error", answer)
            self.assertGreaterEqual(answer["code"], 1000)
            self.assertIsInstance(answer["data"], str)

    def test_numbers_and_key_order_arrive_as_sent(self):
        a, b, _, _ = self.pair(echo=False)
        served = self.provider(a)
        raw = '{"b":1.50,"a":[1e2, -0, 12345678901234567890123],"a":2,"\\u00e9":"\\/"}'
        asked = b.send("call", target="alice", protocol="Prov", raw=raw)
        incoming = a.event(served, "incoming")
        self.assertIn(b'"data":' + raw.encode() + b"}", incoming["line"])
        a.send_line('{"type":"reply","call":"%s","data":%s}' % (incoming["call"], raw))
        self.assertIn(b'"data":' + raw.encode() + b"}", b.answer(asked)["line"])

    def test_carriage_returns_between_tokens_become_spaces(self):
        a, b, _, _ = self.pair(echo=False)
        served = self.provider(a)
        asked = b.send("call", target="alice", protocol="Prov", raw='{\r"x":\r1}')
        incoming = a.event(served, "incoming")
        self.assertIn(b'"data":{ "x": 1}', incoming["line"])
        a.send("reply", call=incoming["call"], octets=b"")
        self.assertEqual(b.answer(asked)["octets"], b"")

    def test_json_longer_than_the_network_thread_parses(self):
        a, b, _, _ = self.pair(echo=False)
        served = self.provider(a)
        text = json.dumps({"x": "y" * (300 * 1024)})
        asked = b.send("call", target="alice", protocol="Prov", raw=text)
        incoming = a.event(served, "incoming")
        self.assertEqual(incoming["data"], json.loads(text))
        a.send("reply", call=incoming["call"], raw=text)
        self.assertEqual(b.answer(asked)["data"], json.loads(text))

    def test_a_thousand_calls_are_one_handshake(self):
        a, b, _, _ = self.pair()
        ids = [b.send("call", target="alice", protocol="Echo", data={"message": str(n)}) for n in range(1000)]
        for n, id in enumerate(ids):
            self.assertEqual(b.answer(id)["data"], {"echoed": str(n)})
        for client in (a, b):
            pool = client.data("status")["pool"]
            self.assertEqual((pool["connections"], pool["handshakes"]), (1, 1), pool)

    def test_both_ways_share_one_connection(self):
        a, b, _, _ = self.pair()
        b.ask("binding.add", protocol="Echo", access=["public"])
        b.ask("call", target="alice", protocol="Echo", data={"message": "x"})
        a.ask("call", target="bob", protocol="Echo", data={"message": "y"})
        for client in (a, b):
            pool = client.data("status")["pool"]
            self.assertEqual((pool["connections"], pool["handshakes"]), (1, 1), pool)

    def test_both_dial_at_once(self):
        a, b, _, _ = self.pair()
        b.ask("binding.add", protocol="Echo", access=["public"])
        to_alice = [b.send("call", target="alice", protocol="Echo", data={"message": "x"}) for _ in range(100)]
        to_bob = [a.send("call", target="bob", protocol="Echo", data={"message": "y"}) for _ in range(100)]
        self.assertEqual({b.answer(id)["status"] for id in to_alice} | {a.answer(id)["status"] for id in to_bob}, {"ok"})

    def test_within_one_daemon(self):
        one = self.start("home")
        c = self.client_of(one)
        alice = c.data("identity.create", name="alice", online=True)
        c.ask("identity.create", name="bob", online=True)
        c.ask("binding.add", identity="alice", protocol="Echo", access=["public"])
        answer = c.data("call", **{"from": "bob"}, target=alice["id"], protocol="Echo", data={"message": "next door"})
        self.assertEqual(answer, {"echoed": "next door"})

    def test_wrong_names(self):
        a, b, _, _ = self.pair()
        call = lambda **fields: b.ask("call", **{"target": "alice", "protocol": "Echo", "data": {"message": "x"}, **fields})
        self.refused("unknown_identity", call, **{"from": "bbo"})
        self.assertIn('did you mean "alice"', self.refused("unknown_peer", call, target="alcie"))
        self.refused("bad_request", call, protocol="")
        self.refused("unknown_protocol", call, protocol="Ecko")  # bob has a role at alice: he hears the reason
        self.refused("unknown_alias", call, alias="other")
        self.refused("unknown_command", call, command="nope")

    def test_strangers_hear_denied_and_nothing_else(self):
        a, b, _, _ = self.pair()
        a.ask("peer.remove", peer="bob")
        for fields in ({"protocol": "Nope"}, {"protocol": "Echo", "alias": "nope"}):
            text = self.refused("denied", b.ask, "call", target="alice", data={}, **fields)
            self.assertNotIn("Nope", text)

    def test_timeout_of_a_slow_program(self):
        a, b, _, _ = self.pair(echo=False)
        served = self.provider(a)
        self.refused("timeout", b.ask, "call", target="alice", protocol="Prov", timeout_ms=200, octets=b"")
        incoming = a.event(served, "incoming")
        self.assertLessEqual(incoming["deadline_ms"], 200)
        self.assertIn(a.event(served, "cancelled")["code"], ("timeout", "cancelled"))
        self.refused("cancelled", a.ask, "reply", call=incoming["call"], octets=b"late")

    def test_cancel(self):
        a, b, _, _ = self.pair(echo=False)
        served = self.provider(a)
        asked = b.send("call", target="alice", protocol="Prov", octets=b"")
        a.event(served, "incoming")
        b.ask("cancel", request=asked)
        self.assertEqual(b.answer(asked)["code"], "cancelled")
        self.assertEqual(a.event(served, "cancelled")["code"], "cancelled")

    def test_who_ended_the_connection_is_said(self):
        a, b, _, _ = self.pair(echo=False)
        served = self.provider(a)
        for who, type, fields, text in ((b, "pool.close", {"peer": "alice"}, "this daemon's owner closed the connection"),
                                        (a, "pool.close", {"peer": "bob"}, "the peer's owner closed the connection"),
                                        (a, "peer.remove", {"peer": "bob"}, "the peer's owner closed the connection"),
                                        (b, "peer.remove", {"peer": "alice"}, "this daemon's owner removed the peer")):
            asked = b.send("call", target="alice", protocol="Prov", octets=b"")
            a.event(served, "incoming")
            who.ask(type, **fields)
            answer = b.answer(asked)
            self.assertEqual(answer["code"], "connection_lost")
            self.assertIn(text, answer["data"])
            self.assertEqual(a.event(served, "cancelled")["code"], "connection_lost")

    def test_one_dead_address_costs_little(self):
        a, b, one, _ = self.pair()
        b.ask("peer.remove", peer="alice")
        silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # takes what comes and never answers
        self.addCleanup(silent.close)
        silent.bind(("127.0.0.1", 0))
        id = a.data("identity.show")["id"]
        b.ask("peer.add", name="alice", peer=id, addresses=["127.0.0.1:%d" % silent.getsockname()[1], one.address()])
        b.ask("call", target="alice", protocol="Echo", data={"message": "x"}, timeout_ms=5000)


class Requests(Case):
    def test_bad_lines_are_answered_and_the_socket_goes_on(self):
        c = self.client_of(self.start("home"))
        for line in ("nonsense", "[]", "{", '"x"', '{"id":1,"type":"hello"}', '{"type":"hello"}', '{"id":"x"}', '{"id":"x","type":"hello","id":"y"}'):
            c.send_line(line)
            answer = c.read_message()
            self.assertEqual((answer["status"], answer["code"]), ("error", "bad_request"), line)
        c.send_line(b'{"id":"\xff","type":"hello"}')
        self.assertEqual(c.read_message()["code"], "bad_request")
        self.assertEqual(c.data("hello")["api"], 1)

    def test_unknown_types_and_members(self):
        c = self.client_of(self.start("home"))
        self.assertIn("identity.crate", self.refused("bad_request", c.ask, "identity.crate"))
        self.assertIn("nmae", self.refused("bad_request", c.ask, "identity.create", nmae="alice"))
        self.refused("unsupported_version", c.ask, "hello", api=99)

    def test_an_id_in_flight_is_refused(self):
        a, b, _, _ = self.pair(echo=False)
        served = self.provider(a)
        b.send("call", target="alice", protocol="Prov", octets=b"", id="same")
        incoming = a.event(served, "incoming")
        b.send("hello", id="same")
        self.assertIn("in flight", b.answer("same")["data"])
        a.send("reply", call=incoming["call"], octets=b"")
        self.assertEqual(b.answer("same")["status"], "ok")
        b.send("hello", id="same")
        self.assertEqual(b.answer("same")["status"], "ok")

    def test_no_identity_and_several(self):
        c = self.client_of(self.start("home"))
        self.assertIn("create-identity", self.refused("unknown_identity", c.ask, "ticket"))
        c.ask("identity.create", name="alice")
        c.ask("identity.create", name="bob")
        text = self.refused("bad_request", c.ask, "ticket")
        self.assertIn("alice, bob", text)


if __name__ == "__main__":
    unittest.main()
