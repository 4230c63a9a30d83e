"""From the confirming read to the painted photo, with fifty handhelds open."""

import contextlib
import datetime
import http.client
import json
import re
import selectors
import socket
import statistics
import struct
import sys
import threading
import time
import zlib

import bank as bank_day
import chromium
from bank import Bank
from selenium.webdriver.common.by import By

SCREENS = 50
SESSIONS_OF_A_PERSON = 2
# Further apart than a handheld holds on to who came before.
APART_S = 3.0
TOKEN = "0123456789abcdef0123456789abcdef"

# What stands between an arrival and its painted photo, in the order in which it ends.
STEPS = ["asked for", "board there", "photo there", "decoded", "painted"]
# Puts the milliseconds from each arrival to each of these into a list.
MEASURE = """
window.took = [];
performance.setResourceTimingBufferSize(10000);
let last;
const look = async () => {
  const photo = document.querySelector('#board article img');
  const at = Number(document.querySelector('#board article time')?.dataset.at) - performance.timeOrigin;
  if (!photo || photo.src === last) return;
  const source = last = photo.src;
  const asked = performance.getEntriesByType('resource');
  const board = asked.findLast((one) => one.name.includes('/lobby/board'));
  await photo.decode();
  const decoded = performance.now();
  const got = performance.getEntriesByName(source).at(-1);
  requestAnimationFrame(() => setTimeout(() => {
    if (photo.src !== source) return;
    const ends = [board?.startTime, board?.responseEnd, got?.responseEnd, decoded, performance.now()];
    took.push(ends.map((end) => Math.round(end - at)));
  }));
};
new MutationObserver(look).observe(document.querySelector('#board'), { childList: true, subtree: true, attributes: true });
"""


def picture(number):
    """A picture of 640 x 640 pixels that compresses as little as a photo does."""
    rows, value = [], number + 1
    for y in range(640):
        row = bytearray([0])
        for x in range(640):
            value = (value * 1103515245 + 12345) & 0x7FFFFFFF
            row += bytes(((x // 3 + value % 23) & 255, (y // 3 + value % 29) & 255, (number * 7 + value % 31) & 255))
        rows.append(bytes(row))
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    header = struct.pack(">IIBBBBB", 640, 640, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"".join(rows), 1)) + chunk(b"IEND", b"")


def ask(bank, method, path, body, kind, headers=None):
    connection = http.client.HTTPConnection(*bank.http, timeout=60)
    sent = {"Authorization": f"Bearer {TOKEN}", "Content-Type": kind} | (headers or {})
    connection.request(method, path, body, sent)
    answer = connection.getresponse()
    said = answer.read()
    if answer.status >= 300:
        sys.exit(f"{method} {path}: {answer.status}: {said}")
    return answer.headers


def customers(bank, arrivals):
    """Customers with photos and cards, one for each arrival."""
    pictures = [picture(number) for number in range(8)]
    for number in range(arrivals):
        customer = {"customer_number": f"6{number:04}", "name": f"张{number}", "vip_class": "gold",
                    "usual_business": "理财", "branch": "hubin", "consent": "given"}
        headers = ask(bank, "POST", "/api/v1/customers", json.dumps(customer), "application/json")
        ask(bank, "PUT", f"/api/v1/customers/6{number:04}/photo", pictures[number % 8], "image/png",
            {"If-Match": headers["ETag"]})
    cards = bank.work / "cards.csv"
    rows = [f"6{number:04},{epc(number)},,2020-01-01,2099-12-31,active" for number in range(arrivals)]
    cards.write_text("customer_number,epc_hex,uid_hex,valid_from,valid_until,state\n" + "\n".join(rows) + "\n")


def epc(number):
    return f"2D{number:022X}"


class Connection:
    """A connection that a screen keeps, once it has asked. What comes is taken from it as soon as it is there."""

    def __init__(self, bank, cookie, opened):
        self.bank, self.socket, self.opened = bank, None, opened
        self.head = f"Host: bank\r\nCookie: {cookie}\r\nHX-Request: true\r\n\r\n"
        self.came = bytearray()

    def ask(self, path):
        if self.socket is None:
            self.socket = socket.create_connection(self.bank.http)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.socket.setblocking(False)
            self.opened(self.socket)
        # Shorter than what any socket takes at once.
        self.socket.send(f"GET {path} HTTP/1.1\r\n{self.head}".encode())

    def receive(self):
        while True:
            try:
                part = self.socket.recv(1 << 18)
            except BlockingIOError:
                return
            if not part:
                raise EOFError
            self.came += part

    def answer(self):
        """The body of an answer that has come as a whole."""
        end = self.came.find(b"\r\n\r\n")
        if end < 0:
            return None
        length = int(re.search(rb"(?i)\r\ncontent-length: (\d+)", self.came[:end])[1])
        if len(self.came) < end + 4 + length:
            return None
        body = bytes(self.came[end + 4:end + 4 + length])
        del self.came[:end + 4 + length]
        return body


class Screen:
    """What a handheld asks for: the stream, and at each arrival the board and the photo."""

    def __init__(self, bank, person, waiting, delays):
        self.delays = delays
        opened = lambda what: lambda socket: waiting.register(socket, selectors.EVENT_READ, what)
        self.stream = Connection(bank, person.cookie, opened(self.told))
        self.asking = Connection(bank, person.cookie, opened(self.answered))
        self.stream.ask("/api/v1/arrivals")

    def told(self):
        self.stream.receive()
        while (end := self.stream.came.find(b"\n")) >= 0:
            line = bytes(self.stream.came[:end])
            del self.stream.came[:end + 1]
            if line.startswith(b"data:"):
                visit = json.loads(line[5:])
                if "greeted" not in visit and "departed_at" not in visit and "arrived_at" in visit:
                    arrived = datetime.datetime.fromisoformat(visit["arrived_at"]).timestamp()
                    self.delays.append(round((time.time() - arrived) * 1000))
                    self.asking.ask(f"/lobby/board?main={visit['id']}")

    def answered(self):
        """How many answers have come; a board is followed by its photo."""
        self.asking.receive()
        answers = 0
        while (body := self.asking.answer()) is not None:
            answers += 1
            if photo := re.search(rb'src="(/photos/[^"]+/large)"', body):
                self.asking.ask(photo[1].decode())
        return answers


class Screens(threading.Thread):
    """Handhelds by the dozen, on one thread: what they look at costs the host, and what they are next to
    nothing."""

    def __init__(self):
        super().__init__(daemon=True)
        self.waiting, self.count, self.answers = selectors.DefaultSelector(), 0, 0
        # Milliseconds from an arrival until one of them hears of it.
        self.delays = []

    def add(self, bank, person):
        Screen(bank, person, self.waiting, self.delays)
        self.count += 1

    def run(self):
        while True:
            for ready, _ in self.waiting.select():
                try:
                    self.answers += ready.data() or 0
                except EOFError:
                    # The host ends; whether all was answered the count says.
                    return


def browser(bank, number):
    """A real handheld in which somebody has logged in."""
    page = chromium.logged_in(bank, number, "412,915")
    page.find_element(By.CSS_SELECTOR, "#board")
    time.sleep(2)
    page.execute_script(MEASURE)
    return page


@contextlib.contextmanager
def opened(host, work, arrivals):
    """A bank with so many customers who have cards, and those logged in who give others their accounts."""
    bank_day.CONFIGURATION = bank_day.CONFIGURATION.replace(
        'sinks = ["customers"]', 'sinks = ["customers"]\npresence = {{ lost_after = "2s" }}') + f"""
[clients.core]
token = "{TOKEN}"
scopes = ["customers:write"]
requests_per_minute = 60000
"""
    bank = Bank(host, work)
    bank.open()
    try:
        bank.set_up()
        bank.staff()
        customers(bank, arrivals)
        bank.stop()
        bank.run("import", "cards", str(bank.work / "cards.csv"), "--config", str(bank.configuration))
        bank.start()
        for number in ["SE1", "CS1"]:
            bank.person(number).log_in()
        yield bank
    finally:
        bank.close()


def sessions(bank, count):
    """So many sessions of lobby managers; who has it may look at once."""
    for number in range(count):
        if number % SESSIONS_OF_A_PERSON == 0:
            person = bank.employ(f"H{number:02}", ["lobby_manager"], bank.person("SE1"), bank.person("CS1"))
        else:
            person.log_in()
        yield person


def walk_in(bank, tags):
    scenario = bank.work / "door.toml"
    scenario.write_text("".join(tags))
    bank.emulate("mercury4", "--listen", f"127.0.0.1:{bank.door}", "--scenario", str(scenario))


def main():
    host, work, arrivals = sys.argv[1], sys.argv[2], int(sys.argv[3])
    with opened(host, work, arrivals) as bank:
        screens = Screens()
        for person in sessions(bank, SCREENS - 1):
            screens.add(bank, person)
        screens.start()
        tags = [
            f'[[tag]]\nepc = "{epc(number)}"\nat = "{int(number * APART_S * 1000) + 500}ms"\nfor = "500ms"\n'
            for number in range(arrivals)]
        with browser(bank, "LM1") as page:
            walk_in(bank, tags)
            time.sleep(arrivals * APART_S + 6)
            ends = page.execute_script("return window.took")
        print(f"{screens.count + 1} screens, {arrivals} arrivals {APART_S} s apart; {len(ends)} photos painted; "
              f"the others got {screens.answers} boards and photos")
        if not ends:
            sys.exit("nothing was painted")
        print("milliseconds from the confirming read")
        for step, took in [("others told", screens.delays), *zip(STEPS, zip(*ends))]:
            # A browser may keep no time of what it took from its memory.
            took = sorted(end for end in took if end is not None)
            at = lambda part: took[min(len(took) - 1, int(len(took) * part))]
            print(f"  {step:<12} median {statistics.median(took):3.0f}, 95 % {at(0.95):3}, 99 % {at(0.99):3}, most {took[-1]:3}")


if __name__ == "__main__":
    main()
