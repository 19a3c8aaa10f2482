# SPDX-License-Identifier: GPL-3.0-or-later
"""Real kithd processes in homes of their own, and programs on their sockets. Nothing here sleeps: everything waits for something, with a limit."""
import array
import ctypes
import json
import os
import resource
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

BUILD = os.environ["KITH_BUILD"]
PATIENCE = float(os.environ.get("KITH_PATIENCE", "40"))  # seconds; only a failing test waits so long
ALARMS = ("ThreadSanitizer", "AddressSanitizer", "LeakSanitizer", "runtime error:", "Assertion")


LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1  # prctl(2)


class Refused(Exception):
    """An answer that is not ok."""

    def __init__(self, answer):
        super().__init__(repr(answer))
        self.answer = answer
        self.code = answer.get("code")
        self.text = answer.get("data", "")


class Client:
    """A program on the control socket."""

    def __init__(self, home, receive_buffer=None):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(home + "/daemon.sock")
        self.buffer = b""
        self.fds = []
        self.messages = []
        self.last_id = 0

    def close(self):
        self.socket.close()
        for fd in self.fds:
            os.close(fd)
        self.fds = []

    def send_line(self, line, octets=b"", fds=()):
        if isinstance(line, str):
            line = line.encode()
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        data = line + b"\n" + octets
        sent = self.socket.sendmsg([data], ancillary)
        if sent < len(data):
            self.socket.sendall(data[sent:])

    def send(self, type, octets=None, fds=(), id=None, raw=None, **fields):
        """Sends a request and returns its id. `raw`: a `data` value as the octets to send."""
        if id is None:
            self.last_id += 1
            id = str(self.last_id)
        body = {"id": id, "type": type, **fields}
        if octets is not None:
            body["bytes"] = len(octets)
        if fds:
            body["fds"] = len(fds)
        line = json.dumps(body)
        if raw is not None:
            line = line[:-1] + ', "data":' + raw + "}"
        self.send_line(line, octets or b"", fds)
        return id

    def fill(self):
        data, ancillary, _, _ = self.socket.recvmsg(1 << 16, socket.CMSG_SPACE(16 * 4))
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds = array.array("i")
                fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
                self.fds += list(fds)
        if not data:
            raise EOFError("the daemon closed the socket")
        self.buffer += data

    def read_line(self):
        while b"\n" not in self.buffer:
            self.fill()
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line

    def read_octets(self, count):
        while len(self.buffer) < count:
            self.fill()
        octets, self.buffer = self.buffer[:count], self.buffer[count:]
        return octets

    def read_message(self):
        line = self.read_line()
        message = json.loads(line)
        message["line"] = line
        if "bytes" in message:
            message["octets"] = self.read_octets(message["bytes"])
        if "fds" in message:
            message["taken"] = [self.fds.pop(0) for _ in range(message["fds"])]
        return message

    def wait(self, wanted):
        """The first message, old or new, that `wanted` likes."""
        for at, message in enumerate(self.messages):
            if wanted(message):
                return self.messages.pop(at)
        while True:
            message = self.read_message()
            if wanted(message):
                return message
            self.messages.append(message)

    def answer(self, id):
        return self.wait(lambda m: m.get("id") == id and "status" in m and "event" not in m)

    def event(self, id, name):
        return self.wait(lambda m: m.get("id") == id and m.get("event") == name)

    def ask(self, type, **fields):
        """Sends and waits; the answer, or Refused."""
        answer = self.answer(self.send(type, **fields))
        if answer["status"] not in ("ok", "streaming"):
            raise Refused(answer)
        return answer

    def data(self, type, **fields):
        return self.ask(type, **fields).get("data")

    def at_end(self):
        try:
            while True:
                self.fill()
        except (EOFError, ConnectionResetError):
            return True


class Daemon:
    """One kithd. `inside`: a command that runs it somewhere else, by exec."""

    def __init__(self, home, *arguments, listen="127.0.0.1:0", file_limit=False, ready=True, inside=(), environment=None):
        self.home = home
        self.lines = []
        self.changed = threading.Condition()
        command = [*inside, BUILD + "/bin/kithd", "--home", home]
        if listen:
            command += ["--listen", listen]
        def before():
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # it goes with its test, however that ends
            if file_limit:  # a write past RLIMIT_FSIZE is then an error, not the end: what fill_disk needs
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

        self.process = subprocess.Popen(command + list(arguments), stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, errors="replace",
                                        preexec_fn=before, env={**os.environ, "TSAN_OPTIONS": "halt_on_error=0 exitcode=66", **(environment or {})})
        self.reader = threading.Thread(target=self.read_log, daemon=True)
        self.reader.start()
        if ready:
            self.wait_log("is ready")

    def read_log(self):
        for line in self.process.stderr:
            with self.changed:
                self.lines.append(line.rstrip("\n"))
                self.changed.notify_all()
        with self.changed:
            self.lines.append("")
            self.changed.notify_all()

    def wait_log(self, text):
        limit = time.monotonic() + PATIENCE
        with self.changed:
            while not any(text in line for line in self.lines):
                if self.lines and self.lines[-1] == "" or not self.changed.wait(limit - time.monotonic()):
                    raise AssertionError("no %r in the log:\n%s" % (text, "\n".join(self.lines)))
            return next(line for line in self.lines if text in line)

    def client(self, **options):
        return Client(self.home, **options)

    def wait(self):
        """The exit code, once it has ended by itself."""
        code = self.process.wait(PATIENCE)
        self.reader.join(PATIENCE)
        return code

    def log(self):
        """What it has written so far: whole only once it has ended."""
        return "\n".join(self.lines)

    def kill(self):
        self.process.kill()
        self.wait()

    def fill_disk(self):
        """From now on no file of the daemon can be written."""
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))

    def empty_disk(self):
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.wait()
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.wait()
            raise

    def address(self):
        return self.wait_log("listening on ").split("listening on ")[1].strip()


class Namespace:
    """Of the network. It lives as long as the process that holds it, which ends with its input: however a test ends, nothing is left of it."""

    def __init__(self):
        self.holder = subprocess.Popen(["unshare", "-n", "sh", "-c", "ip link set lo up && echo up && exec cat"], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if self.holder.stdout.readline() != b"up\n":
            reason = self.holder.stderr.read().decode().strip()
            self.close()
            raise unittest.SkipTest("no network namespaces here: " + reason)

    @property
    def inside(self):
        return ("nsenter", "--net=/proc/%d/ns/net" % self.holder.pid)

    def run(self, *words):
        subprocess.run([*self.inside, *words], check=True, timeout=PATIENCE)

    def ip(self, *words):
        self.run("ip", *words)

    def close(self):
        self.holder.stdin.close()
        self.holder.wait(PATIENCE)
        self.holder.stdout.close()
        self.holder.stderr.close()


class Case(unittest.TestCase):
    """A test with a folder, daemons and clients that go away with it."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="kith-e2e-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.daemons = []
        self.addCleanup(self.end_daemons)

    def end_daemons(self):
        for daemon in self.daemons:
            if daemon.process.poll() is None:
                daemon.process.kill()
            daemon.wait()
            daemon.process.stderr.close()
            for alarm in ALARMS:
                self.assertNotIn(alarm, daemon.log())

    def home(self, name):
        return os.path.join(self.folder, name)

    def namespace(self):
        """A network of its own, with nothing but loopback; for daemons that listen on all addresses. Skips the test where none can be made."""
        try:
            made = Namespace()
        except FileNotFoundError as missing:
            self.skipTest("no network namespaces here: no command " + missing.filename)
        self._cleanups.insert(0, (made.close, (), {}))  # before the daemons' own clean-up in order, so after it in time
        return made

    def start(self, name, *arguments, **options):
        daemon = Daemon(self.home(name), *arguments, **options)
        self.daemons.append(daemon)
        return daemon

    def client_of(self, daemon, **options):
        client = daemon.client(**options)
        self.addCleanup(client.close)
        return client

    def ask_restarted(self, client, type, **fields):
        """Asks a peer that was killed and is back. On a busy machine the request has been sent twice when the reset comes, and its life before may have seen it."""
        try:
            return client.data(type, **fields)
        except Refused as lost:
            self.assertEqual((lost.code, "the peer was restarted" in lost.text), ("connection_lost", True), lost)
            return client.data(type, **fields)

    def refused(self, code, call, /, *arguments, **fields):
        """The text of the error with which a request is refused."""
        with self.assertRaises(Refused) as caught:
            call(*arguments, **fields)
        self.assertEqual(caught.exception.code, code, caught.exception.answer)
        return caught.exception.text

    def pair(self, echo=True, **options):
        """alice with Echo, bob who knows her; and a client of each: (a, b, alice's daemon, bob's daemon)."""
        one = self.start("alice", **options)
        two = self.start("bob", **options)
        a, b = self.client_of(one), self.client_of(two)
        a.ask("identity.create", name="alice", online=True)
        b.ask("identity.create", name="bob", online=True)
        if echo:
            a.ask("binding.add", protocol="Echo", access=["public"])
        self.introduce(a, b)
        return a, b, one, two

    def introduce(self, a, b, role="member"):
        b.ask("peer.add", name="alice", peer=a.data("ticket")["ticket"])
        a.ask("peer.add", name="bob", peer=b.data("ticket")["ticket"], role=role)

    def provider(self, client, protocol="Prov", access=("public",), **fields):
        """A binding that this client serves; the id of its serve."""
        client.ask("binding.add", protocol=protocol, provider=True, access=list(access))
        return client.ask("serve", protocol=protocol, **fields)["id"]

    def notes(self, name="alice", **fields):
        """A daemon with the plugin Notes (a pooled one) bound to its identity; and a client."""
        return self.with_plugin("Notes", name, **fields)

    def with_plugin(self, plugin, name="alice", **fields):
        """The same with another plugin of tests/plugin."""
        plugins = os.path.join(self.home(name), "plugins")
        os.makedirs(plugins, mode=0o700)
        os.chmod(self.home(name), 0o700)
        file = os.path.join(plugins, plugin + ".so")
        shutil.copy(os.path.join(BUILD, "tests", "plugin", plugin + ".so"), file)
        os.chmod(file, 0o700)
        daemon = self.start(name)
        client = self.client_of(daemon)
        client.ask("identity.create", name=name, online=True)
        client.ask("binding.add", protocol=plugin, **fields)
        return daemon, client

    def until(self, condition, what):
        """For states that no event announces: asks again and again; each question is a round trip, so the processor is not burned for nothing."""
        limit = time.monotonic() + PATIENCE
        while not condition():
            self.assertLess(time.monotonic(), limit, what)
            select.select([], [], [], 0.005)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def read_all(fd_socket):
    """Everything up to the end of file."""
    parts = []
    while True:
        part = fd_socket.recv(1 << 16)
        if not part:
            return b"".join(parts)
        parts.append(part)


def as_socket(fd):
    one = socket.socket(fileno=fd)
    one.settimeout(PATIENCE)
    return one
