"""A bank for a day: emulated readers, a host, and people who each come from an address of their own.

Only what Python brings along. A person is an HTTP client from an address of the loopback network: to the
host they are people at different desks.
"""

import base64
import hashlib
import hmac
import http.client
import json
import os
import pathlib
import re
import signal
import struct
import subprocess
import sys
import threading
import time
import urllib.parse

PASSWORD = "trellis ombre fjord walnut"

# A script that is told to end lets its host and its emulators end, too.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

CONFIGURATION = """
[host]
name = "xizhou-centre"
data_dir = '{work}/data'
listen = "127.0.0.1:0"

[branches.hubin]
name = "湖滨支行"

[branches.dongmen]
name = "东门支行"

# What customers walk past.
[readers.hubin_door]
driver = "mercury4"
branch = "hubin"
address = "127.0.0.1:{door}"
time_out = "100ms"
antennas = {{ 1 = "door" }}

# Where cards are made.
[readers.issue_uhf]
driver = "mercury4"
branch = "hubin"
address = "{uhf}"
time_out = "100ms"
zone = "issuing"

[readers.issue_pad]
driver = "mifare"
branch = "hubin"
transport = "pn532"
port = '{pad}'
zone = "issuing"
read_secret = "env:CARD_READ"
write_secret = "env:CARD_WRITE"
record_secret = "env:CARD_RECORD"

[desks.hubin]
uhf = "issue_uhf"
pad = "issue_pad"
lock_key = "env:TAG_LOCK"

[sinks.customers]
type = "lookup"
source = "service"

[pipelines.hubin]
readers = ["hubin_door"]
sinks = ["customers"]

[audit]
anchors = ['{work}/anchors.jsonl']
every = "1s"
"""

SECRETS = {
    "CARD_READ": "00112233445566778899aabbccddeeff",
    "CARD_WRITE": "ffeeddccbbaa99887766554433221100",
    "CARD_RECORD": "0123456789abcdeffedcba9876543210",
    "TAG_LOCK": "a secret of which nobody knows anything at all",
}


class Person:
    """Somebody at a desk of their own, who may be logged in."""

    def __init__(self, bank, number):
        self.bank = bank
        self.number = number
        bank.desks += 1
        self.address = f"127.0.1.{bank.desks}"
        self.secret = None
        self.cookie = None
        self.proof = None
        self.step = 0

    def ask(self, method, path, body=None, headers=None, reason=None):
        """Status, headers and body of an answer."""
        connection = http.client.HTTPConnection(
            *self.bank.http, source_address=(self.address, 0), timeout=60)
        sent = dict(headers or {})
        if body is not None:
            sent["Content-Type"] = "application/json"
        if self.cookie:
            sent.setdefault("Cookie", self.cookie)
            sent.setdefault("X-Session-Proof", self.proof)
        if reason:
            sent["X-Reason"] = urllib.parse.quote(reason)
        connection.request(method, path, json.dumps(body) if body is not None else None, sent)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        kind = answer.headers.get("Content-Type", "")
        said = json.loads(content) if content and "json" in kind else content
        return answer.status, answer.headers, said

    def do(self, method, path, body=None, expect=200, **more):
        """What an answer says, which must have this status."""
        status, headers, said = self.ask(method, f"/api/v1{path}", body, **more)
        if status != expect:
            sys.exit(f"{self.number}: {method} {path}: {status} instead of {expect}: {said}")
        self.headers = headers
        return said

    def digits(self):
        """What this person's authenticator shows. None are taken twice, so it may be those that come next,
        which the host takes as well; and then it waits for the next."""
        self.step = max(self.step + 1, int(time.time()) // 30)
        while self.step > int(time.time()) // 30 + 1:
            time.sleep(0.5)
        step = self.step
        key = base64.b32decode(self.secret + "=" * (-len(self.secret) % 8))
        digest = hmac.new(key, struct.pack(">Q", step), hashlib.sha1).digest()
        at = digest[-1] & 15
        return f"{(struct.unpack('>I', digest[at:at + 4])[0] & 0x7FFFFFFF) % 1_000_000:06d}"

    def accept(self, code, has_second_factor):
        """Sets a password, and takes in a second factor before that where the account needs one."""
        body = {"staff_number": self.number, "code": code}
        if has_second_factor:
            address = self.do("POST", "/invitation/second-factor", body)["address"]
            self.secret = re.search(r"secret=([A-Z2-7]+)", address).group(1)
            body["digits"] = self.digits()
        self.do("POST", "/invitation", body | {"password": PASSWORD}, expect=204)

    def log_in(self):
        body = {"staff_number": self.number, "password": PASSWORD}
        if self.secret:
            body["digits"] = self.digits()
        self.cookie = None
        said = self.do("POST", "/session", body)
        self.cookie = self.headers["Set-Cookie"].split(";")[0]
        self.proof = said["proof"]
        return said


class Bank:
    """The host, its readers, and everybody who works there."""

    def __init__(self, host, work):
        self.host = host
        self.work = pathlib.Path(work)
        self.desks = 0
        # Tables besides those that every bank has.
        self.more = ""
        self.processes = []
        self.people = {}

    def emulate(self, kind, *arguments):
        """An emulated reader, and where it listens."""
        process = subprocess.Popen(
            [self.host, "emulate", kind, *arguments], stdout=subprocess.PIPE, text=True)
        self.processes.append(process)
        line = process.stdout.readline()
        return process, re.search(r"listens on (\S+?);?( |$)", line).group(1).rstrip(";")

    def open(self):
        scenario = self.work / "desk.toml"
        scenario.write_text('[[tag]]\nepc = "E28011700000020A12345678"\nat = "0s"\nfor = "1h"\nantenna = 1\n')
        _, uhf = self.emulate("mercury4", "--listen", "127.0.0.1:0", "--scenario", str(scenario))
        cards = self.work / "pad.toml"
        cards.write_text('[[card]]\nuid = "04A1B2C3"\nat = "0s"\nfor = "1h"\n')
        pad = self.work / "pad"
        self.emulate("pn532", "--link", str(pad), "--scenario", str(cards))
        self.uhf = uhf
        self.door = free_port()
        text = CONFIGURATION.format(work=self.work, uhf=uhf, pad=pad, door=self.door)
        self.configuration = self.work / "bank.toml"
        self.configuration.write_text(text + self.more, encoding="utf-8")
        self.start()

    def start(self):
        """The daemon; where it listens, and its setup code, if it offers one."""
        self.daemon = subprocess.Popen(
            [self.host, "run", "--log-format", "json", "--config", self.configuration],
            stderr=subprocess.PIPE, env=os.environ | SECRETS, text=True)
        self.log = []
        self.code, address = None, None
        for line in self.daemon.stderr:
            self.log.append(line)
            # What there is to say about the configuration comes before the log begins.
            if line.startswith("{"):
                address = json.loads(line).get("fields", {}).get("http")
            if address:
                break
        else:
            sys.exit("the daemon ended before it listened:\n" + "".join(self.log))
        code = self.work / "data" / "setup-code"
        if code.exists():
            assert code.stat().st_mode & 0o077 == 0, "others may read the setup code"
            self.code = code.read_text().strip()
        name, _, port = address.rpartition(":")
        self.http = (name, int(port))
        threading.Thread(target=self.follow, args=(self.daemon, self.log), daemon=True).start()

    def follow(self, daemon, log):
        for line in daemon.stderr:
            log.append(line)

    def stop(self, how=signal.SIGTERM):
        self.daemon.send_signal(how)
        return self.daemon.wait(timeout=60)

    def close(self):
        if self.daemon.poll() is None:
            self.stop()
        for process in self.processes:
            process.terminate()
            process.wait(timeout=60)

    def person(self, number):
        return self.people.setdefault(number, Person(self, number))

    def run(self, *arguments, expect=0):
        """What a command prints, which must end like this."""
        done = subprocess.run([self.host, *arguments], capture_output=True, text=True, env=os.environ | SECRETS)
        if done.returncode != expect:
            sys.exit(f"{arguments}: {done.returncode} instead of {expect}:\n{done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def set_up(self):
        """The first two administrators, by the code on the console."""
        for number, role in [("SA1", "system_administrator"), ("SE1", "security_administrator")]:
            person = self.person(number)
            body = {"code": self.code, "staff_number": number, "name": "王芳", "branch": "hubin", "role": role}
            code = person.do("POST", "/setup", body, expect=201)["code"]
            person.accept(code, True)
            person.log_in()

    def employ(self, number, roles, asks, approves, branch="hubin"):
        """An account that one person asks for and another approves; each tells half of its code."""
        body = {"kind": "open_account", "staff_number": number, "name": "李静", "branch": branch, "roles": roles}
        request, decided = asked_and_approved(asks, approves, body)
        mine = asks.do("POST", f"/requests/{request['id']}/code")["code_half"]
        person = self.person(number)
        person.accept(mine + decided["code_half"], roles[0] not in ONE_FACTOR)
        person.log_in()
        return person

    def staff(self):
        """Everybody: the third account is approved by the system administrator, and then no further one."""
        sa, se = self.person("SA1"), self.person("SE1")
        second = self.employ("SE2", ["security_administrator"], se, sa)
        centre = self.employ("CS1", ["centre_supervisor"], se, second)
        self.employ("AU1", ["auditor"], se, second)
        for number, role in [
            ("BS1", "branch_supervisor"), ("AR1", "approving_reviewer"), ("IC1", "issuing_clerk"),
            ("LM1", "lobby_manager"), ("AM1", "account_manager"),
        ]:
            self.employ(number, [role], se, centre)
        self.employ("AM2", ["account_manager"], se, centre, branch="dongmen")


ONE_FACTOR = {"lobby_manager", "account_manager", "issuing_clerk"}


def asked_and_approved(asks, approves, body, reason=None):
    """A request, from the draft to its approval."""
    drafted = asks.do("POST", "/requests", body, expect=201, reason=reason)
    request = submitted(asks, drafted, reason)
    prove(approves)
    return request, approves.do("POST", f"/requests/{request['id']}/approve", {"hash": request["hash"]})


def exported(asks, begun):
    """The file of an export, when it is made."""
    path = f"/exports/{begun['export']['id']}"
    until("the export", lambda: asks.do("GET", path)["state"] == "ready")
    return asks.do("POST", f"{path}/file", {"key": begun["key"]})


def submitted(asks, drafted, reason=None):
    path = f"/requests/{drafted['id']}/submit"
    return asks.do("POST", path, headers={"If-Match": f'"{drafted["version"]}"'}, reason=reason)


def prove(person):
    """Who approves proves a moment before who it is."""
    person.do("POST", "/session/proof", {"password": PASSWORD}, expect=204)


def free_port():
    import socket
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def until(what, found, seconds=30):
    """What is found, which takes a moment."""
    end = time.time() + seconds
    while time.time() < end:
        if (result := found()) not in (None, [], False):
            return result
        time.sleep(0.1)
    sys.exit(f"{what}: not within {seconds} s")
